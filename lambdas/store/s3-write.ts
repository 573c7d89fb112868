import { randomUUID } from 'node:crypto';
import { DeleteObjectCommand, PutObjectCommand, type HeadObjectCommandOutput } from '@aws-sdk/client-s3';
import type { Attempt } from '../aws/attempts.ts';
import type { PutOptions, StoredObject } from './object-store.ts';
import type { S3Bucket } from './s3-bucket.ts';
import { sendInSlices } from './s3-slices.ts';
import { lockedError, lockInForce } from './s3-lock.ts';

const WRITE_ID = 'lifeboat-write-id';

const OBJECT_LOCK_MODES = { governance: 'GOVERNANCE', compliance: 'COMPLIANCE' } as const;

/** One write of an object under its conditions, with an id in the object's metadata by which it is known again. */
export class S3Write {
  readonly #bucket: S3Bucket;
  readonly #key: string;
  readonly #options: PutOptions;
  readonly #id = randomUUID();

  constructor(bucket: S3Bucket, key: string, options: PutOptions) {
    this.#bucket = bucket;
    this.#key = key;
    this.#options = options;
  }

  /** Parameters for the request that brings metadata: the id, and the lock. */
  get protection() {
    const { retainUntil, lockMode = 'governance' } = this.#options;
    const lock = { ObjectLockMode: OBJECT_LOCK_MODES[lockMode], ObjectLockRetainUntilDate: retainUntil };
    return { Metadata: { [WRITE_ID]: this.#id }, ...(retainUntil === undefined ? {} : lock) };
  }

  /** Parameters for the request that lets the object appear. */
  get conditions() {
    const { ifAbsent, ifMatch } = this.#options;
    return {
      ...(ifAbsent === true ? { IfNoneMatch: '*' } : {}),
      ...(ifMatch === undefined ? {} : { IfMatch: ifMatch }),
    };
  }

  /** Writes the object in one request. */
  async put(body: Uint8Array): Promise<StoredObject> {
    const input = {
      Bucket: this.#bucket.name,
      Key: this.#bucket.fullKey(this.#key),
      Body: body,
      ChecksumAlgorithm: 'SHA256',
      ...this.protection,
      ...this.conditions,
    } as const;
    return this.commit(
      (http, awaited) => this.#bucket.client.send(sendInSlices(new PutObjectCommand(input), awaited), http),
      body.byteLength,
      body.byteLength,
    );
  }

  /**
   * Makes the request that lets the object appear. When the answer to an attempt was lost, the next one may be told that
   * the object exists, or that its upload is gone: then what stands there is looked at, and if it is this very write, it
   * has succeeded.
   */
  async commit(
    attempt: Attempt<{ ETag?: string | undefined }>,
    sizeBytes: number,
    bodyBytes: number,
  ): Promise<StoredObject> {
    const { ifAbsent, ifMatch, retainUntil } = this.#options;
    // A bucket with versions would take the write and hide the locked version behind it.
    if (ifAbsent !== true) await this.#refuseLocked();
    const call = {
      ...this.#bucket.call('write', this.#key, 's3:PutObject'),
      conditional: ifAbsent === true || ifMatch !== undefined,
      retaining: retainUntil !== undefined,
    };
    const { ETag } = await this.#bucket.run(call, attempt, {
      bodyBytes,
      rescue: async ({ error, mayHaveHappened }) => {
        const found = mayHaveHappened ? await this.#find() : undefined;
        if (found !== undefined) return found;
        // Versitygw writes the object before it refuses to lock it.
        if (retainUntil !== undefined) await this.retract();
        throw error;
      },
    });
    return this.#bucket.storedObject(this.#key, sizeBytes, ETag, new Date());
  }

  /** Takes back what a failed `commit` may have written after all. */
  async retract(): Promise<void> {
    const found = await this.#find();
    if (found === undefined) return;
    const { VersionId } = found;
    const permission = VersionId === undefined ? 's3:DeleteObject' : 's3:DeleteObjectVersion';
    const command = new DeleteObjectCommand({
      Bucket: this.#bucket.name,
      Key: this.#bucket.fullKey(this.#key),
      ...(VersionId === undefined ? {} : { VersionId }),
    });
    await this.#bucket.run(this.#bucket.call('remove', this.#key, permission), (http) =>
      this.#bucket.client.send(command, http),
    );
  }

  async #refuseLocked(): Promise<void> {
    const found = await this.#bucket.look(this.#key);
    const lock = lockInForce(found?.ObjectLockRetainUntilDate, found?.ObjectLockLegalHoldStatus === 'ON');
    if (lock !== undefined) throw lockedError(this.#bucket.call('write', this.#key, '').object, lock);
  }

  async #find(): Promise<HeadObjectCommandOutput | undefined> {
    const found = await this.#bucket.look(this.#key);
    return found?.Metadata?.[WRITE_ID] === this.#id ? found : undefined;
  }
}
