import { addAbortSignal } from 'node:stream';
import { constants, createZstdCompress, type ZstdCompress, type ZstdOptions } from 'node:zlib';
import { DatastoreError } from '../../domain/errors.ts';
import { SnapshotCheck, type CheckedStream } from './snapshot-check.ts';
import type { SnapshotChunk } from './wire/messages.ts';

/** A member as far as streaming needs it: an EtcdClient. A chunk is good until the next one is asked for. */
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
}

// Every write to the compressor is a turn of the thread pool: in the 32 KiB of one message the turns would cost more than
// the compression, and with half a megabyte compressing, hashing and receiving overlap.
const BATCH_BYTES = 512 * 1024;

// Level 1 keeps up with the stream on one core; its ratio on Kubernetes objects is near that of the default, 3.
const COMPRESSION: ZstdOptions = {
  chunkSize: BATCH_BYTES,
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
  const compressor = addAbortSignal(options.signal, createZstdCompress(COMPRESSION));
  const writing = writeAll(compressor, sink);
  // Its failure surfaces through the compressor, which it destroys with it.
  writing.catch(() => undefined);
  try {
    const checked = await readAll(member, compressor, options);
    compressor.end();
    return { ...checked, storedBytes: await writing };
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
  const batches = new Batches(compressor);
  try {
    for await (const chunk of member.snapshot({ signal: AbortSignal.any([signal, watchdog.signal]) })) {
      watchdog.pause();
      check.accept(chunk);
      await batches.add(chunk.blob);
      onProgress?.(check.receivedBytes, check.sizeBytes);
      watchdog.resume();
    }
    watchdog.pause();
    const checked = check.finish();
    await batches.flush();
    return checked;
  } finally {
    watchdog.stop();
  }
}

/** Hands chunks to the compressor in batches, in the same two pieces of memory: one is compressed while the other fills. */
class Batches {
  readonly #compressor: ZstdCompress;
  #filling = Buffer.allocUnsafeSlow(BATCH_BYTES);
  #other = Buffer.allocUnsafeSlow(BATCH_BYTES);
  #filledBytes = 0;
  #compressing: Promise<void> | undefined;
  readonly #closed: Promise<void>;

  constructor(compressor: ZstdCompress) {
    this.#compressor = compressor;
    this.#closed = new Promise((resolve) => compressor.once('close', resolve));
  }

  async add(chunk: Buffer): Promise<void> {
    for (let offset = 0; offset < chunk.length;) {
      const taken = chunk.copy(this.#filling, this.#filledBytes, offset);
      offset += taken;
      this.#filledBytes += taken;
      if (this.#filledBytes === BATCH_BYTES) await this.flush();
    }
  }

  /** Throws what has broken the compressor, which is also how the error of a sink arrives here. */
  async flush(): Promise<void> {
    // A compressor that is destroyed while nobody takes its output forgets the batch that it works on.
    await Promise.race([this.#compressing, this.#closed]);
    if (this.#compressor.errored !== null) throw this.#compressor.errored;
    const batch = this.#filling.subarray(0, this.#filledBytes);
    this.#compressing = new Promise((resolve) => {
      this.#compressor.write(batch, () => {
        resolve();
      });
    });
    [this.#filling, this.#other] = [this.#other, this.#filling];
    this.#filledBytes = 0;
  }
}

async function writeAll(compressor: ZstdCompress, sink: SnapshotSink): Promise<number> {
  let storedBytes = 0;
  for await (const chunk of compressor as AsyncIterable<Buffer>) {
    storedBytes += chunk.length;
    await sink.write(chunk).catch((error: unknown) => {
      compressor.destroy(error as Error);
      throw error;
    });
  }
  return storedBytes;
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
