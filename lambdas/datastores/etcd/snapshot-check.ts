import { createHash, type Hash } from 'node:crypto';
import { CorruptSnapshotError, DatastoreError } from '../../domain/errors.ts';
import type { SnapshotChunk } from './wire/messages.ts';

/** What is known of a stream that passed every check. */
export interface CheckedStream {
  /** Database and trailer: the file that etcdctl would have saved. */
  readonly sizeBytes: number;
  /** Over the same; hexadecimal. */
  readonly sha256: string;
  /** Over the database alone, equal to the trailer; hexadecimal. */
  readonly trailerSha256: string;
}

const TRAILER_BYTES = 32;
const META_FLAG = 0x04;
const META_MAGIC = 0xed0cdaed;
const META_END_BYTES = 24;

/**
 * Checks a snapshot stream message by message. The first one tells the database's size; each must carry as much as it says
 * is gone from the rest; what comes after the database must be the 32 bytes of its SHA-256 and nothing else.
 */
export class SnapshotCheck {
  readonly #member: string;
  readonly #hash: Hash = createHash('sha256');
  #databaseBytes: number | undefined;
  #receivedBytes = 0;
  #trailer = Buffer.alloc(0);

  constructor(member: string) {
    this.#member = member;
  }

  get receivedBytes(): number {
    return this.#receivedBytes;
  }

  /** Announced size of database and trailer; 0 before the first message. */
  get sizeBytes(): number {
    return this.#databaseBytes === undefined ? 0 : this.#databaseBytes + TRAILER_BYTES;
  }

  /** DatastoreError or CorruptSnapshotError as soon as it is clear that the stream is not good. */
  accept({ blob, remainingBytes }: SnapshotChunk): void {
    this.#databaseBytes ??= this.#announcedBytes(blob, remainingBytes);
    const left = this.#databaseBytes - this.#receivedBytes;
    // etcd drops the error of reading its own file and sends empty messages from then on (v3rpc/maintenance.go).
    if (blob.length === 0 && remainingBytes > 0) throw this.#corrupt('it sends nothing although it announces more');
    if (remainingBytes !== Math.max(0, left - blob.length)) {
      throw this.#corrupt('the bytes that it sends are not those that it announces');
    }
    this.#receivedBytes += blob.length;
    if (left > 0) this.#hash.update(blob.length > left ? blob.subarray(0, left) : blob);
    if (blob.length > left) this.#trailer = Buffer.concat([this.#trailer, blob.subarray(Math.max(0, left))]);
    if (this.#trailer.length > TRAILER_BYTES) throw this.#corrupt('it sends more than its database and trailer');
  }

  /** Call when the stream has ended well. CorruptSnapshotError when the trailer is not there or not the hash of the bytes. */
  finish(): CheckedStream {
    if (this.#trailer.length < TRAILER_BYTES) throw this.#corrupt('its snapshot ended early, without the SHA-256');
    const file = this.#hash.copy().update(this.#trailer);
    const database = this.#hash.digest();
    if (!database.equals(this.#trailer)) throw this.#corrupt('the SHA-256 in its trailer is not that of the bytes');
    return {
      sizeBytes: this.#receivedBytes,
      sha256: file.digest('hex'),
      trailerSha256: database.toString('hex'),
    };
  }

  #announcedBytes(first: Buffer, remainingBytes: number): number {
    const bytes = first.length + remainingBytes;
    if (bytes === 0) throw new DatastoreError(`etcd member ${this.#member} sent an empty snapshot`);
    const isMetaPage =
      first.length >= META_END_BYTES && first.readUInt16LE(8) === META_FLAG && first.readUInt32LE(16) === META_MAGIC;
    // A database is a whole number of pages and no page is smaller; etcdutl knows a trailer by the rest of this division.
    if (!isMetaPage || bytes % 512 !== 0) throw this.#corrupt('what it sends is not a bbolt database');
    return bytes;
  }

  #corrupt(why: string): CorruptSnapshotError {
    return new CorruptSnapshotError(`the snapshot of etcd member ${this.#member} is refused: ${why}`, {
      remedy: "Look at this member's disk and log; another member is asked instead when there is one.",
    });
  }
}
