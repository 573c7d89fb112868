import { readSync } from 'node:fs';
import { corruptFile } from './corrupt-file.ts';

/** Random access to the bytes of a snapshot file. */
export interface PageSource {
  /** Names the file in errors. */
  readonly path: string;
  readonly sizeBytes: number;
  /**
   * The bytes `offset` to `offset + lengthBytes`. The view is good until the next read only: its memory is used again.
   * Throws CorruptSnapshotError when the range is not in the file or cannot be read.
   */
  read(offset: number, lengthBytes: number): DataView;
}

/**
 * Reading whole blocks is the read-ahead: leaf pages follow each other in the file wherever etcd wrote them in one go.
 * Larger blocks read faster in file order but waste most of each block on a much-rewritten file, whose order is random.
 */
const BLOCK_BYTES = 64 * 1024;
const CACHED_BLOCKS = 256;

/** Reads an open file synchronously, keeping the 16 MiB used last. The caller closes the descriptor. */
export class FilePageSource implements PageSource {
  readonly path: string;
  readonly sizeBytes: number;
  readonly #descriptor: number;
  /** In order of use, oldest first. */
  readonly #blocks = new Map<number, Uint8Array<ArrayBuffer>>();
  #currentIndex = -1;
  #current = new Uint8Array(0);
  #large = new Uint8Array(0);

  constructor(path: string, descriptor: number, sizeBytes: number) {
    this.path = path;
    this.sizeBytes = sizeBytes;
    this.#descriptor = descriptor;
  }

  read(offset: number, lengthBytes: number): DataView {
    if (offset + lengthBytes > this.sizeBytes) {
      throw corruptFile(this.path, `it ends at byte ${this.sizeBytes}, before ${offset + lengthBytes}`);
    }
    const index = Math.floor(offset / BLOCK_BYTES);
    const start = offset - index * BLOCK_BYTES;
    if (start + lengthBytes <= BLOCK_BYTES) return new DataView(this.#block(index).buffer, start, lengthBytes);
    if (this.#large.byteLength < lengthBytes) this.#large = new Uint8Array(lengthBytes);
    this.#fill(this.#large, offset, lengthBytes);
    return new DataView(this.#large.buffer, 0, lengthBytes);
  }

  #block(index: number): Uint8Array<ArrayBuffer> {
    if (index === this.#currentIndex) return this.#current;
    const block = this.#blocks.get(index) ?? this.#load(index);
    this.#blocks.delete(index);
    this.#blocks.set(index, block);
    this.#currentIndex = index;
    this.#current = block;
    return block;
  }

  #load(index: number): Uint8Array<ArrayBuffer> {
    const offset = index * BLOCK_BYTES;
    const block = this.#vacantBlock();
    this.#fill(block, offset, Math.min(BLOCK_BYTES, this.sizeBytes - offset));
    return block;
  }

  #vacantBlock(): Uint8Array<ArrayBuffer> {
    const [oldest] = this.#blocks;
    if (oldest === undefined || this.#blocks.size < CACHED_BLOCKS) return new Uint8Array(BLOCK_BYTES);
    this.#blocks.delete(oldest[0]);
    return oldest[1];
  }

  #fill(target: Uint8Array, offset: number, lengthBytes: number): void {
    for (let done = 0; done < lengthBytes;) {
      const read = this.#readOnce(target, done, lengthBytes - done, offset + done);
      if (read === 0) throw corruptFile(this.path, `it was cut at byte ${offset + done} while it was being read`);
      done += read;
    }
  }

  #readOnce(target: Uint8Array, at: number, lengthBytes: number, offset: number): number {
    try {
      return readSync(this.#descriptor, target, at, lengthBytes, offset);
    } catch (cause) {
      throw corruptFile(this.path, `the disk does not give back the bytes at ${offset}`, { cause });
    }
  }
}
