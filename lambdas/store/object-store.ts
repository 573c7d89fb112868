import type { Readable } from 'node:stream';
import type { LockMode } from '../domain/policy.ts';
import type { RetentionLock } from '../domain/retention.ts';
import type { Secret } from '../domain/secret.ts';

/** One stored object as a listing or a look shows it. `etag` is opaque and changes with the content. */
export interface StoredObject {
  readonly key: string;
  readonly sizeBytes: number;
  readonly etag: string;
  readonly modifiedAt: Date;
}

/** What a look finds. */
export interface Observation {
  readonly stored: StoredObject | undefined;
  /**
   * When, by the store's own clock: comparable with `modifiedAt` of what it holds, unlike the time of this machine. In a directory
   * this machine's where nothing is stored, or for whoever may not write there.
   */
  readonly at: Date;
}

/** Conditions and protection of a write. */
export interface PutOptions {
  /** Only if the key does not exist yet. */
  readonly ifAbsent?: boolean;
  /** Only if the key still has this etag. */
  readonly ifMatch?: string;
  /** Nobody may delete or overwrite the written version before this time (S3 Object Lock). */
  readonly retainUntil?: Date;
  /** Whether somebody may end the lock early; governance when left out. */
  readonly lockMode?: LockMode;
}

/**
 * An upload under way. Nothing is visible under its key before `complete` returns; after `abort`, or after any call of
 * it has thrown and `abort` was called, nothing of it is left in the store.
 */
export interface Upload {
  /** Takes the chunk over; resolves when there is room for the next one (the caller must wait: this is the back-pressure). */
  write(chunk: Uint8Array): Promise<void>;
  complete(): Promise<StoredObject>;
  /** Never throws for an upload that is already gone; throws StoreUnavailableError when the store can't confirm. */
  abort(): Promise<void>;
}

/** What a store holds under one key, former versions included. A directory keeps none. */
export interface ObjectHistory {
  /** Those with content. Above zero for a key that is absent: then somebody hid it behind a delete marker. */
  readonly versions: number;
  /** Why `remove` would be refused now. */
  readonly lock: RetentionLock | undefined;
}

/** An upload that was begun, by whomever, and is neither complete nor aborted. */
export interface UnfinishedUpload {
  /** undefined in a directory, which keeps it nowhere; all its unfinished uploads are Lifeboat's. */
  readonly key: string | undefined;
  /** When it was last written to, as far as the store knows; else when it was begun. */
  readonly activeAt: Date;
  /** Takes away what has arrived of it; no error when it is gone. Whoever still writes it gets StoreUnavailableError. */
  discard(): Promise<void>;
}

/** A pre-signed URL: whoever has it may download one object without credentials, until it ends. */
export interface PresignedUrl {
  readonly url: Secret;
  /** As signed, or the end of the signing credentials when that is known and comes first. */
  readonly expiresAt: Date;
  /** The credentials are those of a session: the URL is long, and ends with the session. */
  readonly temporaryCredentials: boolean;
}

/**
 * Where recovery points live: S3, or a directory with the same keys as paths. Both pass one contract suite
 * (test/contract/store/object-store.test.ts, object-removal.test.ts).
 *
 * Errors of every method: PermissionError, StoreUnavailableError (after bounded retries), and as each says.
 */
export interface ObjectStore {
  /** For people: `s3://bucket/prefix` or the directory's path. */
  readonly location: string;
  /** Writes a small object whole. ConflictError when a condition fails, RetentionLockedError when the key is locked. */
  put(key: string, body: Uint8Array, options?: PutOptions): Promise<StoredObject>;
  /** Begins a multipart upload with bounded memory. Options hold for `complete`; ConflictError when they fail there. */
  beginUpload(key: string, options?: PutOptions & { readonly expectedSizeBytes?: number }): Promise<Upload>;
  /** undefined only when the store says the key does not exist. */
  head(key: string): Promise<StoredObject | undefined>;
  /** The same with the store's own time. */
  observe(key: string): Promise<Observation>;
  /** A stream of the object, or of bytes `start` to `end` inclusive. NotFoundError when the key does not exist. */
  read(key: string, range?: { readonly start: number; readonly end: number }): Promise<Readable>;
  /**
   * Signs a URL for the object; the store is not asked, so the object need not be there yet. The download must begin within
   * `seconds`, at the most a week. UnsupportedError in a directory.
   */
  presign(key: string, seconds: number): Promise<PresignedUrl>;
  /** All objects below the prefix in ascending byte order of their keys. Unfinished uploads are not listed. */
  list(prefix: string): AsyncIterable<StoredObject>;
  /**
   * Removes one object with all its former versions, such that nothing is left of it; no error when it is absent.
   * RetentionLockedError when it or a former version is locked: then the object stands as before.
   */
  remove(key: string): Promise<void>;
  history(key: string): Promise<ObjectHistory>;
  /** Unfinished uploads to keys below the prefix; in a directory, all there are. */
  unfinishedUploads(prefix: string): AsyncIterable<UnfinishedUpload>;
}
