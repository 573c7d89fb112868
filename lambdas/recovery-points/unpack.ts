import { createHash } from 'node:crypto';
import { mkdtemp, open, rm, statfs, type FileHandle } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Transform, Writable, type Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createZstdDecompress } from 'node:zlib';
import type { OpenFile } from '../datastores/driver.ts';
import { ConfigurationError, CorruptSnapshotError, LifeboatError, NotFoundError } from '../domain/errors.ts';
import type { ObjectStore } from '../store/object-store.ts';

// Every chunk is a turn of the thread pool and a write to the file; zlib's default of 16 KiB doubles the time of it all.
const UNPACKED_CHUNK_BYTES = 512 * 1024;

/** A compressed object in the store and what it must unpack to. */
export interface PackedObject {
  readonly key: string;
  readonly sizeBytes: number;
  /** Of the unpacked bytes. */
  readonly sha256: string;
}

export interface UnpackOptions {
  readonly signal?: AbortSignal;
  readonly onProgress?: (doneBytes: number, totalBytes: number) => void;
}

/**
 * Reads an object of the store and writes it unpacked into `sink`, with memory bounded by the streams' buffers.
 * CorruptSnapshotError unless size and hash agree; the sink has then received bytes that must not be used.
 */
export async function unpack(
  store: ObjectStore,
  object: PackedObject,
  sink: Writable,
  options: UnpackOptions = {},
): Promise<void> {
  const hash = createHash('sha256');
  let doneBytes = 0;
  const source = await openStored(store, object);
  try {
    await pipeline(
      source,
      createZstdDecompress({ chunkSize: UNPACKED_CHUNK_BYTES }),
      tap((chunk) => {
        hash.update(chunk);
        doneBytes += chunk.length;
        // Without this, a damaged object could fill the disk before its hash is known.
        if (doneBytes > object.sizeBytes) throw wrong(store, object, `unpacks to more than ${object.sizeBytes} bytes`);
        options.onProgress?.(doneBytes, object.sizeBytes);
      }),
      sink,
      { signal: options.signal },
    );
  } catch (error) {
    if (error instanceof LifeboatError || (error as NodeJS.ErrnoException).syscall !== undefined) throw error;
    // ZSTD_error_… for bytes that are wrong, Z_BUF_ERROR for bytes that are missing.
    if (/^Z(STD)?_/.test(String((error as NodeJS.ErrnoException).code))) {
      throw wrong(store, object, 'does not unpack', error);
    }
    throw error;
  }
  if (doneBytes !== object.sizeBytes) {
    throw wrong(store, object, `unpacks to ${doneBytes} bytes instead of ${object.sizeBytes}`);
  }
  if (hash.digest('hex') !== object.sha256) {
    throw wrong(store, object, 'is damaged: the SHA-256 of what it unpacks to is not the recorded one');
  }
}

/** The bytes as they are stored; a manifest that promises an object which is not there is as wrong as one of other bytes. */
async function openStored(store: ObjectStore, object: PackedObject): Promise<Readable> {
  try {
    return await store.read(object.key);
  } catch (error) {
    if (error instanceof NotFoundError) throw wrong(store, object, 'is missing', error);
    throw error;
  }
}

/** Unpacks a small object into memory. */
export async function unpackToBuffer(store: ObjectStore, object: PackedObject): Promise<Buffer> {
  const chunks: Buffer[] = [];
  const sink = new Writable({
    write(chunk: Buffer, _encoding, done) {
      chunks.push(chunk);
      done();
    },
  });
  await unpack(store, object, sink);
  return Buffer.concat(chunks);
}

/** A file without a name, open for the time that somebody has it. */
export interface SpoolFile extends OpenFile {
  /** Writes it from its beginning. */
  writer(): Writable;
}

/**
 * Hands `use` a file with room for the unpacked object. It has no name from before its first byte on: what is in it is gone
 * with this process, however that ends.
 */
export async function withSpoolFile<T>(object: PackedObject, use: (spool: SpoolFile) => Promise<T>): Promise<T> {
  const handle = await openNameless(object.sizeBytes);
  try {
    return await use({
      path: object.key,
      descriptor: handle.fd,
      writer: () => writerOf(handle),
    });
  } finally {
    await handle.close();
  }
}

/** A stream of the file system would close the file with its end. */
function writerOf(handle: FileHandle): Writable {
  let position = 0;
  const write = async (chunk: Uint8Array): Promise<void> => {
    for (let done = 0; done < chunk.byteLength;) {
      const { bytesWritten } = await handle.write(chunk, done, chunk.byteLength - done, position);
      done += bytesWritten;
      position += bytesWritten;
    }
  };
  return new Writable({
    write(chunk: Uint8Array, _encoding, done) {
      write(chunk).then(() => {
        done();
      }, done);
    },
  });
}

async function openNameless(sizeBytes: number): Promise<FileHandle> {
  const directory = await mkdtemp(join(tmpdir(), 'lifeboat-'));
  try {
    const { bavail, bsize } = await statfs(directory);
    if (bavail * bsize < sizeBytes) {
      throw new ConfigurationError(`${tmpdir()} has ${bavail * bsize} bytes free, and verifying needs ${sizeBytes}`, {
        remedy: 'Free some space there, or point TMPDIR at a larger disk.',
      });
    }
    return await open(join(directory, 'snapshot.db'), 'wx+', 0o600);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

function wrong(store: ObjectStore, object: PackedObject, why: string, cause?: unknown): CorruptSnapshotError {
  return new CorruptSnapshotError(`${object.key} in ${store.location} ${why}`, {
    remedy: 'Do not restore from this recovery point; "lifeboat list" shows the others.',
    cause,
  });
}

function tap(look: (chunk: Buffer) => void): Transform {
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      try {
        look(chunk);
        done(null, chunk);
      } catch (error) {
        done(error as Error);
      }
    },
  });
}
