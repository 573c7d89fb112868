import { Readable } from 'node:stream';
import { StoreUnavailableError } from '../domain/errors.ts';
import { startWaiting } from '../domain/silence.ts';

/** How often in a row a body may break without having brought a byte. */
const FRUITLESS_ATTEMPTS = 5;

/** The body of an answer, which has begun to arrive. */
export interface Body {
  readonly body: Readable;
  readonly lengthBytes: number;
}

/**
 * All bytes of a body as one stream. Where it breaks, `resume` asks for the bytes from there on. `object` (for messages) is
 * `s3://bucket/key`.
 */
export function resumingStream(object: string, first: Body, resume: (fromByte: number) => Promise<Body>): Readable {
  const { lengthBytes } = first;
  let body = quiet(first.body);
  async function* bytes(): AsyncGenerator<Buffer> {
    let chunks = body.iterator();
    const awaited = startWaiting(`the store (read ${object})`);
    try {
      for (let received = 0, fruitless = 0; ;) {
        const chunk = await nextChunk(chunks);
        if (chunk !== undefined) {
          received += chunk.byteLength;
          fruitless = 0;
          awaited.rest();
          yield chunk;
          awaited.heard();
        } else if (received >= lengthBytes) {
          return;
        } else {
          if (fruitless === FRUITLESS_ATTEMPTS) throw brokenError(object, received, lengthBytes);
          fruitless += 1;
          body = quiet((await resume(received)).body);
          chunks = body.iterator();
        }
      }
    } finally {
      awaited.end();
    }
  }
  const stream = Readable.from(bytes(), { objectMode: false });
  // A generator that was never started can't close the connection in a `finally`.
  return stream.once('close', () => body.destroy());
}

/** undefined at the end, which may have come too early: why does not matter, as the store's answer for the rest tells more. */
async function nextChunk(chunks: AsyncIterator<unknown>): Promise<Buffer | undefined> {
  try {
    return (await chunks.next()).value as Buffer | undefined;
  } catch {
    return undefined;
  }
}

/** A connection may break while nobody reads from it yet; the error is met when somebody does. */
function quiet(body: Readable): Readable {
  return body.on('error', () => undefined);
}

function brokenError(object: string, received: number, lengthBytes: number): StoreUnavailableError {
  const progress = `after ${received} of ${lengthBytes} bytes, ${FRUITLESS_ATTEMPTS} times in a row`;
  return new StoreUnavailableError(`could not read ${object}: the connection broke ${progress}`, {
    remedy: 'Look at the network on the way to the object store, then try again.',
  });
}
