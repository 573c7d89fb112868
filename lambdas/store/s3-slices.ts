import { Readable } from 'node:stream';
import type { PutObjectCommand, UploadPartCommand } from '@aws-sdk/client-s3';
import type { Awaited } from '../domain/silence.ts';

/** Small enough that a line which is not silent takes one in far less than five seconds. */
const SLICE_BYTES = 128 * 1024;

/**
 * Lets a command's body, when all is signed, leave in slices, of each of which `awaited` hears: handed over in one piece nobody
 * would know whether any of it moves.
 */
export function sendInSlices<C extends PutObjectCommand | UploadPartCommand>(command: C, awaited: Awaited): C {
  const { middlewareStack } = command as UploadPartCommand;
  middlewareStack.add(
    (next) => (args) => {
      const request = args.request as { body?: unknown };
      if (request.body instanceof Uint8Array)
        request.body = Readable.from(slices(request.body, awaited), { highWaterMark: 1 });
      return next(args);
    },
    { step: 'deserialize', priority: 'low', name: 'sendInSlices' },
  );
  return command;
}

function* slices(body: Uint8Array, awaited: Awaited): Generator<Uint8Array> {
  for (let offset = 0; offset < body.byteLength; offset += SLICE_BYTES) {
    awaited.heard();
    yield body.subarray(offset, offset + SLICE_BYTES);
  }
}
