import { createHash, randomBytes } from 'node:crypto';
import { zstdDecompressSync } from 'node:zlib';
import { describe, expect, it } from '@jest/globals';
import { streamSnapshot, type SnapshotSource } from '../../../lambdas/datastores/etcd/stream-snapshot.ts';
import type { SnapshotChunk } from '../../../lambdas/datastores/etcd/wire/messages.ts';
import { CorruptSnapshotError, DatastoreError, StoreUnavailableError } from '../../../lambdas/domain/errors.ts';

const CHUNK_BYTES = 32 * 1024;

/** Bytes that begin as a bbolt file does; nothing else of them is looked at while streaming. */
function database(sizeBytes: number): Buffer {
  const bytes = randomBytes(sizeBytes);
  bytes.writeUInt16LE(0x04, 8);
  bytes.writeUInt32LE(0xed0cdaed, 16);
  return bytes;
}

const digest = (bytes: Buffer): Buffer => createHash('sha256').update(bytes).digest();

/** The messages that etcd sends for a database: 32 KiB each, then the hash with nothing remaining. */
function messages(bytes: Buffer, trailer = digest(bytes)): SnapshotChunk[] {
  const chunks: SnapshotChunk[] = [];
  for (let offset = 0; offset < bytes.length; offset += CHUNK_BYTES) {
    const blob = bytes.subarray(offset, offset + CHUNK_BYTES);
    chunks.push({ blob, remainingBytes: bytes.length - offset - blob.length, version: '3.6.0' });
  }
  return [...chunks, { blob: trailer, remainingBytes: 0, version: '3.6.0' }];
}

function source(chunks: readonly SnapshotChunk[], released: () => void = () => undefined): SnapshotSource {
  return {
    snapshot: async function* () {
      try {
        for (const chunk of chunks) yield await Promise.resolve(chunk);
      } finally {
        released();
      }
    },
  };
}

class Sink {
  readonly chunks: Uint8Array[] = [];
  write(chunk: Uint8Array): Promise<void> {
    this.chunks.push(chunk);
    return Promise.resolve();
  }
  get bytes(): Buffer {
    return Buffer.concat(this.chunks);
  }
}

const options = () => ({ member: 'etcd-0', signal: new AbortController().signal });

describe('streaming a snapshot', () => {
  it.each([
    ['smaller than a message', 8192],
    ['an exact number of messages', 4 * CHUNK_BYTES],
    ['with a short last message', 40 * CHUNK_BYTES + 4096],
  ])('stores a database %s with its trailer, and knows every figure', async (_, sizeBytes) => {
    const bytes = database(sizeBytes);
    const file = Buffer.concat([bytes, digest(bytes)]);
    const sink = new Sink();
    const streamed = await streamSnapshot(source(messages(bytes)), sink, options());
    expect(zstdDecompressSync(sink.bytes).equals(file)).toBe(true);
    expect(streamed).toEqual({
      sizeBytes: file.length,
      sha256: digest(file).toString('hex'),
      trailerSha256: digest(bytes).toString('hex'),
      storedBytes: sink.bytes.length,
    });
  });

  it('stores what a member gives in memory that it uses again', async () => {
    const bytes = database(40 * CHUNK_BYTES);
    const memory = Buffer.alloc(CHUNK_BYTES);
    const reusing: SnapshotSource = {
      snapshot: async function* () {
        for (const { blob, ...rest } of messages(bytes)) {
          blob.copy(memory);
          yield await Promise.resolve({ ...rest, blob: memory.subarray(0, blob.length) });
        }
      },
    };
    const sink = new Sink();
    await streamSnapshot(reusing, sink, options());
    expect(zstdDecompressSync(sink.bytes).equals(Buffer.concat([bytes, digest(bytes)]))).toBe(true);
  });

  it('accepts a trailer that comes with the last bytes or in pieces', async () => {
    const bytes = database(8192);
    const trailer = digest(bytes);
    const joined = [{ blob: Buffer.concat([bytes, trailer.subarray(0, 10)]), remainingBytes: 0, version: '' }];
    // Announced is what the first message says: its own bytes would count the trailer's part as database.
    await expect(streamSnapshot(source(joined), new Sink(), options())).rejects.toThrow(CorruptSnapshotError);
    const pieces = [
      ...messages(bytes).slice(0, -1),
      ...[trailer.subarray(0, 10), trailer.subarray(10)].map((blob) => ({ blob, remainingBytes: 0, version: '' })),
    ];
    await expect(streamSnapshot(source(pieces), new Sink(), options())).resolves.toMatchObject({ sizeBytes: 8224 });
  });

  const good = database(3 * CHUNK_BYTES);
  const flipped = Buffer.from(good);
  flipped[CHUNK_BYTES + 7] = (flipped[CHUNK_BYTES + 7] ?? 0) ^ 1;
  const whole = messages(good);
  const [first, second, third, trailer] = whole as [SnapshotChunk, SnapshotChunk, SnapshotChunk, SnapshotChunk];
  const refused: [name: string, chunks: SnapshotChunk[], named: RegExp][] = [
    ['a flipped bit', messages(flipped, digest(good)), /SHA-256 in its trailer is not that of the bytes/],
    ['no trailer', whole.slice(0, -1), /ended early/],
    ['half a trailer', [...whole.slice(0, -1), { ...trailer, blob: trailer.blob.subarray(0, 16) }], /ended early/],
    ['more than a trailer', [...whole, trailer], /more than its database and trailer/],
    ['a missing message', [first, third, trailer], /not those that it announces/],
    ['a repeated message', [first, second, second, third, trailer], /not those that it announces/],
    [
      'a rest that does not get smaller',
      [first, { ...second, remainingBytes: first.remainingBytes }],
      /not those that it announces/,
    ],
    [
      'empty messages although more is announced',
      [first, { ...second, blob: Buffer.alloc(0), remainingBytes: first.remainingBytes }],
      /sends nothing/,
    ],
    ['no bbolt database', messages(randomBytes(8192)), /not a bbolt database/],
    ['a size that no database has', messages(database(8200)), /not a bbolt database/],
  ];
  it.each(refused)('refuses %s and releases the member', async (_, chunks, named) => {
    let released = 0;
    const work = streamSnapshot(
      source(chunks, () => (released += 1)),
      new Sink(),
      options(),
    );
    await expect(work).rejects.toThrow(named);
    await expect(work).rejects.toBeInstanceOf(CorruptSnapshotError);
    expect(released).toBe(1);
  });

  it('ends a member that falls silent', async () => {
    const silent: SnapshotSource = {
      snapshot: async function* ({ signal }) {
        yield* whole.slice(0, 1);
        await new Promise((_, reject) => {
          signal.addEventListener('abort', () => {
            reject(signal.reason as Error);
          });
        });
      },
    };
    const work = streamSnapshot(silent, new Sink(), { ...options(), watchdogMilliseconds: 20 });
    await expect(work).rejects.toThrow(/has sent nothing of its snapshot for 0\.02 s/);
    await expect(work).rejects.toBeInstanceOf(DatastoreError);
  });

  it('passes the error of the sink on, releases the member and writes nothing any more', async () => {
    let released = 0;
    let writes = 0;
    const sink = {
      write: () => {
        writes += 1;
        return Promise.reject(new StoreUnavailableError('the store is gone'));
      },
    };
    const large = messages(database(400 * CHUNK_BYTES));
    await expect(
      streamSnapshot(
        source(large, () => (released += 1)),
        sink,
        options(),
      ),
    ).rejects.toThrow('the store is gone');
    expect({ released, writes }).toEqual({ released: 1, writes: 1 });
  });

  it('holds back the member while the sink is slow, and does not take that for silence', async () => {
    let taken = 0;
    const total = 600;
    const large = messages(database(total * CHUNK_BYTES));
    const counted: SnapshotSource = {
      snapshot: async function* () {
        for (const chunk of large) {
          taken += 1;
          yield await Promise.resolve(chunk);
        }
      },
    };
    const controller = new AbortController();
    let blocked: () => void = () => undefined;
    const isBlocked = new Promise<void>((resolve) => (blocked = resolve));
    const sink = {
      write: () => {
        blocked();
        return new Promise<void>((_, reject) => {
          controller.signal.addEventListener('abort', () => {
            reject(new StoreUnavailableError('enough'));
          });
        });
      },
    };
    const work = streamSnapshot(counted, sink, {
      member: 'etcd-0',
      signal: controller.signal,
      watchdogMilliseconds: 1,
    });
    const outcome = expect(work).rejects.toThrow('enough');
    await isBlocked;
    let before = -1;
    while (before !== taken) {
      before = taken;
      for (let turn = 0; turn < 50; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    }
    expect(taken).toBeLessThan(total / 2);
    controller.abort(new Error('enough'));
    await outcome;
  });

  it('reports progress up to the announced size', async () => {
    const reported: [number, number][] = [];
    await streamSnapshot(source(whole), new Sink(), {
      ...options(),
      onProgress: (...progress) => reported.push(progress),
    });
    expect(reported.at(-1)).toEqual([good.length + 32, good.length + 32]);
  });
});
