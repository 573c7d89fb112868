import { expect } from '@jest/globals';
import { readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import {
  DeleteObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  type S3Client,
} from '@aws-sdk/client-s3';
import { LifeboatError } from '../../lambdas/domain/errors.ts';
import { Catalogue } from '../../lambdas/store/catalogue.ts';
import { Locks, type Lock } from '../../lambdas/store/locks.ts';
import { S3Store } from '../../lambdas/store/s3-store.ts';
import type { Manifest } from '../../lambdas/domain/recovery-point.ts';
import type { S3Server } from '../testbed/s3.ts';
import { waitFor } from '../testbed/waiting.ts';

/** How a backup ended: with exactly one of the two. */
export interface Outcome {
  readonly manifest?: Manifest;
  readonly error?: unknown;
}

/** Who reads the database files of an etcd. */
interface Readers {
  /** Waits until nobody does. */
  untilReleased(): Promise<void>;
}

/** The prefix of the store in its bucket. */
export const PREFIX = 'lifeboat';
const LOCKS = `${PREFIX}/locks/`;

/**
 * Everything that a backup into a bucket may leave behind, looked at beside the product. The bucket belongs to one suite
 * and is empty before every backup.
 */
export class Aftermath {
  readonly #readers: Readers;
  readonly #client: S3Client;
  readonly #bucket: string;
  readonly #store: S3Store;
  readonly #spoolDirectories: ReadonlySet<string>;

  private constructor(s3: S3Server, bucket: string, readers: Readers, spoolDirectories: ReadonlySet<string>) {
    const { endpoint, region } = s3;
    this.#client = s3.createClient();
    this.#bucket = bucket;
    this.#store = new S3Store(bucket, PREFIX, { endpoint, region, forcePathStyle: true });
    this.#readers = readers;
    this.#spoolDirectories = spoolDirectories;
  }

  /** To be called before the first backup. */
  static async of(s3: S3Server, bucket: string, readers: Readers): Promise<Aftermath> {
    return new Aftermath(s3, bucket, readers, new Set(await listSpoolDirectories()));
  }

  /**
   * Either a complete and verified recovery point and no error, or an error of ours that invites to try again and
   * nothing at all in the store. Whatever it was: no unfinished upload, no reader on etcd, no spooled file. Empties the
   * bucket.
   */
  async expectAllOrNothing({ manifest, error }: Outcome): Promise<void> {
    if (manifest === undefined) {
      expectTransient(error);
      await this.expectNothingLeft();
      return;
    }
    const { id, controlPlane } = manifest;
    const names = ['etcd-main.db.zst', 'identity.json.zst', 'manifest.json'];
    const prefix = `${PREFIX}/recovery-points/hypershift/${controlPlane}/${id}`;
    expect(await this.keys()).toEqual(names.map((name) => `${prefix}/${name}`));
    await expect(new Catalogue(this.#store).find(id)).resolves.toMatchObject({ verdict: 'verified' });
    await this.empty();
    await this.expectNothingLeft();
  }

  /** Nothing in the bucket but locks that were given back, no unfinished upload, no reader on etcd, no spooled file. */
  async expectNothingLeft(): Promise<void> {
    expect(await this.keys()).toEqual([]);
    expect(await this.#heldLocks()).toEqual([]);
    expect(await this.unfinishedUploads()).toEqual([]);
    await this.#readers.untilReleased();
    await waitFor(
      'every spooled snapshot to be removed',
      async () => (await listSpoolDirectories()).every((name) => this.#spoolDirectories.has(name)),
      { timeoutSeconds: 30, intervalMilliseconds: 100 },
    );
  }

  /** No recovery point is listed, whatever else is in the bucket. */
  async expectNothingListed(): Promise<void> {
    expect(await Array.fromAsync(new Catalogue(this.#store).points())).toEqual([]);
  }

  /** Keys of all objects in the bucket but locks, which stay when they are given back, in order. */
  async keys(): Promise<string[]> {
    return (await this.#allKeys()).filter((key) => !key.startsWith(LOCKS));
  }

  async #allKeys(): Promise<string[]> {
    const { Contents = [] } = await this.#client.send(new ListObjectsV2Command({ Bucket: this.#bucket }));
    return Contents.map(({ Key = '' }) => Key);
  }

  async #heldLocks(): Promise<Lock[]> {
    const locks = new Locks(this.#store);
    const names = (await this.#allKeys()).filter((key) => key.startsWith(LOCKS)).map((key) => key.slice(LOCKS.length));
    const held = await Promise.all(names.map((name) => locks.read(name.replace(/\.json$/, ''))));
    return held.filter((lock) => lock !== undefined);
  }

  /** Keys of uploads that were begun and neither completed nor aborted. */
  async unfinishedUploads(): Promise<string[]> {
    const { Uploads = [] } = await this.#client.send(new ListMultipartUploadsCommand({ Bucket: this.#bucket }));
    return Uploads.map(({ Key = '' }) => Key);
  }

  /** Removes every object, as a sweep of orphans would, and every lock, as if its time had passed. */
  async empty(): Promise<void> {
    for (const Key of await this.#allKeys())
      await this.#client.send(new DeleteObjectCommand({ Bucket: this.#bucket, Key }));
  }

  close(): Promise<void> {
    this.#client.destroy();
    return Promise.resolve();
  }
}

/** An error of ours, of the kind that a retry may cure, with words on what to do. */
export function expectTransient(error: unknown): void {
  if (!(error instanceof LifeboatError)) throw new Error('an error that is none of ours', { cause: error });
  expect({ kind: error.kind, message: error.message }).toEqual({ kind: 'transient', message: error.message });
  expect(error.remedy).toEqual(expect.any(String));
}

/** Directories in which snapshots are unpacked; other processes of this machine may have some for a moment. */
async function listSpoolDirectories(): Promise<string[]> {
  return (await readdir(tmpdir())).filter((name) => /^lifeboat-[A-Za-z0-9]{6}$/.test(name));
}
