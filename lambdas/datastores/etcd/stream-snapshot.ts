import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { constants, createZstdCompress, type ZstdCompress, type ZstdOptions } from 'node:zlib';
import { DatastoreError } from '../../domain/errors.ts';
import { SnapshotCheck, type CheckedStream } from './snapshot-check.ts';
import type { SnapshotChunk } from './wire/messages.ts';

/** A member as far as streaming needs it: an EtcdClient. */
export interface SnapshotSource {
  snapshot(options: { readonly signal: AbortSignal }): AsyncIterable<SnapshotChunk>;
}

/** Where the compressed bytes go; the promise is the back-pressure. */
export interface SnapshotSink {
  write(chunk: Uint8Array): Promise<void>;
}

export interface StreamOptions {
  /** The member's pod, for messages. */
  readonly member: string;
  readonly signal: AbortSignal;
  /** How long the member may be silent. Time that the sink takes is not counted. */
  readonly watchdogMilliseconds?: number;
  readonly onProgress?: (doneBytes: number, totalBytes: number) => void;
}

/** A stream that passed every check, and what was written of it. */
export interface StreamedSnapshot extends CheckedStream {
  readonly storedBytes: number;
  /** Over the compressed bytes; hexadecimal. */
  readonly storedSha256: string;
}

// Every write to the compressor is a turn of the thread pool: in the 32 KiB of one message the turns would cost more than
// the compression, and with half a megabyte compressing, hashing and receiving overlap.
const BATCH_BYTES = 512 * 1024;

// Level 1 keeps up with the stream on one core; its ratio on Kubernetes objects is near that of the default, 3.
const COMPRESSION: ZstdOptions & { readonly writableHighWaterMark: number } = {
  chunkSize: BATCH_BYTES,
  writableHighWaterMark: 2 * BATCH_BYTES,
  params: { [constants.ZSTD_c_compressionLevel]: 1, [constants.ZSTD_c_checksumFlag]: 1 },
};

/**
 * Pulls a snapshot from a member, checks it, and writes it compressed (zstd) to the sink, in bounded memory. When it
 * returns, everything is written and the hash agrees; when it throws, the member is released and nothing is being written
 * any more. DatastoreError, CorruptSnapshotError, the errors of the sink and the stream, or the signal's reason.
 */
export async function streamSnapshot(
  member: SnapshotSource,
  sink: SnapshotSink,
  options: StreamOptions,
): Promise<StreamedSnapshot> {
  const compressor = createZstdCompress(COMPRESSION);
  const writing = writeAll(compressor, sink);
  // Its failure surfaces through the compressor, which it destroys with it.
  writing.catch(() => undefined);
  try {
    const checked = await readAll(member, compressor, options);
    compressor.end();
    return { ...checked, ...(await writing) };
  } catch (error) {
    compressor.destroy();
    await writing.catch(() => undefined);
    options.signal.throwIfAborted();
    throw error;
  }
}

async function readAll(
  member: SnapshotSource,
  compressor: ZstdCompress,
  { member: name, signal, watchdogMilliseconds = 15_000, onProgress }: StreamOptions,
): Promise<CheckedStream> {
  const check = new SnapshotCheck(name);
  const watchdog = new Watchdog(name, watchdogMilliseconds);
  let batch: Buffer[] = [];
  let batchBytes = 0;
  const flush = async (): Promise<void> => {
    const bytes = Buffer.concat(batch, batchBytes);
    batch = [];
    batchBytes = 0;
    onProgress?.(check.receivedBytes, check.sizeBytes);
    if (compressor.errored !== null) throw compressor.errored;
    if (!compressor.write(bytes)) await once(compressor, 'drain', { signal });
  };
  try {
    for await (const chunk of member.snapshot({ signal: AbortSignal.any([signal, watchdog.signal]) })) {
      watchdog.pause();
      check.accept(chunk);
      batch.push(chunk.blob);
      batchBytes += chunk.blob.length;
      if (batchBytes >= BATCH_BYTES) await flush();
      watchdog.resume();
    }
    watchdog.pause();
    const checked = check.finish();
    await flush();
    return checked;
  } finally {
    watchdog.stop();
  }
}

async function writeAll(
  compressor: ZstdCompress,
  sink: SnapshotSink,
): Promise<{ storedBytes: number; storedSha256: string }> {
  const hash = createHash('sha256');
  let storedBytes = 0;
  for await (const chunk of compressor as AsyncIterable<Buffer>) {
    hash.update(chunk);
    storedBytes += chunk.length;
    await sink.write(chunk).catch((error: unknown) => {
      compressor.destroy(error as Error);
      throw error;
    });
  }
  return { storedBytes, storedSha256: hash.digest('hex') };
}

/** Aborts its signal with a DatastoreError when it is neither paused nor resumed anew for some time. */
class Watchdog {
  readonly #controller = new AbortController();
  readonly #timer: NodeJS.Timeout;
  #paused = false;

  constructor(member: string, milliseconds: number) {
    this.#timer = setTimeout(() => {
      if (this.#paused) this.#timer.refresh();
      else {
        const silence = `etcd member ${member} has sent nothing of its snapshot for ${milliseconds / 1000} s`;
        this.#controller.abort(new DatastoreError(silence, { remedy: "Look at this member's disk and load." }));
      }
    }, milliseconds);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#timer.refresh();
  }

  stop(): void {
    clearTimeout(this.#timer);
  }
}
