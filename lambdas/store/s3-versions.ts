import { DeleteObjectCommand, ListObjectVersionsCommand } from '@aws-sdk/client-s3';
import { NotFoundError } from '../domain/errors.ts';
import type { ObjectHistory } from './object-store.ts';
import type { S3Bucket } from './s3-bucket.ts';
import { notS3Error } from './s3-errors.ts';
import { lockedError, lockOnVersion } from './s3-lock.ts';

/** One version of a key, or a delete marker that hides those before it. */
interface Version {
  /** `null` in a bucket that never had versions, which S3 takes as an id like any other. */
  readonly id: string;
  readonly isLatest: boolean;
  readonly isMarker: boolean;
}

/**
 * Removes a key with all its versions and markers, by their ids: without an id S3 would only add a marker. The latest goes
 * last, so that at no time, not even after a crash, a former version comes to light. RetentionLockedError when S3 refuses
 * one because it is locked; the latest then still stands.
 */
export async function removeVersions(bucket: S3Bucket, key: string): Promise<void> {
  const versions = await listVersions(bucket, key);
  if (versions === undefined) {
    await removeVersion(bucket, key, undefined);
    return;
  }
  const latestLast = versions.toSorted((a, b) => Number(a.isLatest) - Number(b.isLatest));
  for (const { id } of latestLast) await removeVersion(bucket, key, id);
}

/** What the bucket holds under a key. */
export async function readHistory(bucket: S3Bucket, key: string): Promise<ObjectHistory> {
  const versions = await listVersions(bucket, key);
  if (versions === undefined) return { versions: (await bucket.look(key)) === undefined ? 0 : 1, lock: undefined };
  const contents = versions.filter(({ isMarker }) => !isMarker);
  for (const { id } of contents) {
    const lock = await lockOnVersion(bucket, key, id);
    if (lock !== undefined) return { versions: contents.length, lock };
  }
  return { versions: contents.length, lock: undefined };
}

/** undefined when the service knows no versions. */
async function listVersions(bucket: S3Bucket, key: string): Promise<Version[] | undefined> {
  const Key = bucket.fullKey(key);
  const versions: Version[] = [];
  let from: { KeyMarker?: string; VersionIdMarker?: string } = {};
  for (;;) {
    const command = new ListObjectVersionsCommand({ Bucket: bucket.name, Prefix: Key, ...from });
    const page = await bucket.run(
      bucket.call('list the versions of', key, 's3:ListBucketVersions'),
      (http) => bucket.client.send(command, http),
      {
        rescue: ({ failure, error }) => {
          if (failure.status !== 501) throw error;
          return undefined;
        },
      },
    );
    if (page === undefined) return undefined;
    if (page.IsTruncated === undefined) throw notS3Error(bucket.location);
    const { Versions = [], DeleteMarkers = [], NextKeyMarker, NextVersionIdMarker } = page;
    for (const [entries, isMarker] of [[Versions, false] as const, [DeleteMarkers, true] as const]) {
      for (const { Key: found, VersionId: id = 'null', IsLatest } of entries) {
        if (found === Key) versions.push({ id, isLatest: IsLatest === true, isMarker });
      }
    }
    // Keys are in order, so those that merely begin with this one come after it.
    if (!page.IsTruncated || NextKeyMarker !== Key) return versions;
    from = {
      KeyMarker: NextKeyMarker,
      ...(NextVersionIdMarker === undefined ? {} : { VersionIdMarker: NextVersionIdMarker }),
    };
  }
}

async function removeVersion(bucket: S3Bucket, key: string, VersionId: string | undefined): Promise<void> {
  const version = VersionId === undefined ? {} : { VersionId };
  const permission =
    VersionId === undefined
      ? 's3:DeleteObject'
      : 's3:DeleteObjectVersion, s3:GetObjectRetention and s3:GetObjectLegalHold';
  const call = bucket.call('remove', key, permission);
  const command = new DeleteObjectCommand({ Bucket: bucket.name, Key: bucket.fullKey(key), ...version });
  await bucket.run<unknown>(call, (http) => bucket.client.send(command, http), {
    rescue: async ({ failure: { status = 0 }, error }) => {
      if (error instanceof NotFoundError) return;
      // S3's code for a locked version is the one for a missing permission.
      if (VersionId !== undefined && status >= 400 && status < 500) {
        const lock = await lockOnVersion(bucket, key, VersionId).catch(() => undefined);
        if (lock !== undefined) throw lockedError(call.object, lock);
      }
      throw error;
    },
  });
}
