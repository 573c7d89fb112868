import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ListMultipartUploadsCommand, ListObjectVersionsCommand } from '@aws-sdk/client-s3';
import { DirectoryStore } from '../../../lambdas/store/directory-store.ts';
import type { ObjectStore } from '../../../lambdas/store/object-store.ts';
import { openS3, storeAt } from './s3-access.ts';

/** An empty store, and what is seen of it from beside. */
export interface Place {
  readonly store: ObjectStore;
  /** Uploads that were begun and are neither complete nor aborted. */
  readonly countUnfinished: () => Promise<number>;
  /** What there is below a prefix: files, or versions and delete markers. */
  readonly countStored: (prefix: string) => Promise<number>;
}

/** An implementation of the store under test, in which any number of places can be had. */
export interface Subject {
  place(): Promise<Place>;
  close(): Promise<void>;
}

/** Every implementation, with its name, for `describe.each`. */
export const SUBJECTS: readonly [string, () => Promise<Subject>][] = [
  ['a directory', directorySubject],
  ['S3', () => s3Subject(false)],
  ['S3 with versions and Object Lock', () => s3Subject(true)],
];

async function directorySubject(): Promise<Subject> {
  const root = await mkdtemp(join(tmpdir(), 'lifeboat-store-'));
  return {
    place: async () => {
      const directory = await mkdtemp(join(root, 'place-'));
      return {
        store: new DirectoryStore(directory),
        countUnfinished: async () => (await readdir(join(directory, '.uploads'))).length,
        countStored: async (prefix) => {
          const entries = await readdir(directory, { recursive: true, withFileTypes: true });
          const files = entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name));
          return files.filter((file) => file.startsWith(join(directory, prefix))).length;
        },
      };
    },
    close: () => rm(root, { recursive: true }),
  };
}

async function s3Subject(objectLock: boolean): Promise<Subject> {
  const s3 = await openS3();
  const { server, client } = s3;
  let count = 0;
  return {
    place: async () => {
      count += 1;
      const Bucket = `contract-${count}`;
      await server.createBucket(Bucket, { objectLock });
      return {
        store: storeAt(server.endpoint, Bucket),
        countUnfinished: async () => {
          const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket }));
          return Uploads.length;
        },
        countStored: async (prefix) => {
          const { Versions = [], DeleteMarkers = [] } = await client.send(
            new ListObjectVersionsCommand({ Bucket, Prefix: `some/prefix/${prefix}` }),
          );
          return Versions.length + DeleteMarkers.length;
        },
      };
    },
    close: () => s3.close(),
  };
}
