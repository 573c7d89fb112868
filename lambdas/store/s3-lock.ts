import {
  GetObjectLegalHoldCommand,
  GetObjectRetentionCommand,
  type ObjectLockLegalHold,
  type ObjectLockRetention,
} from '@aws-sdk/client-s3';
import { RetentionLockedError } from '../domain/errors.ts';
import { describeLock, type RetentionLock } from '../domain/retention.ts';
import type { Refusal, S3Bucket } from './s3-bucket.ts';

/** By so much the clocks of S3 and of this machine may differ, or S3 refuses our signatures. */
export const CLOCK_DIFFERENCE_MILLISECONDS = 15 * 60 * 1000;

/** A version without a lock; AWS gives it with 404, versitygw with 400. */
const NO_LOCK = 'NoSuchObjectLockConfiguration';
/** The bucket has no Object Lock, or the service knows of none. */
const NO_LOCKS = 'no locks';

/**
 * The lock or hold on one version of a key, undefined when none is in force. It is asked for by itself, as a look at the
 * object would tell it as well: whoever deletes snapshots then needs no right to read them. A lock counts some minutes
 * longer than it lasts, for S3 goes by its own clock.
 */
export async function lockOnVersion(
  bucket: S3Bucket,
  key: string,
  VersionId: string,
): Promise<RetentionLock | undefined> {
  const version = { Bucket: bucket.name, Key: bucket.fullKey(key), VersionId };
  const retention = await bucket.run<ObjectLockRetention | typeof NO_LOCKS | undefined>(
    bucket.call('look at the lock of', key, 's3:GetObjectRetention'),
    async (http) => (await bucket.client.send(new GetObjectRetentionCommand(version), http)).Retention,
    { rescue: noLock },
  );
  if (retention === NO_LOCKS) return undefined;
  const hold = await bucket.run<ObjectLockLegalHold | typeof NO_LOCKS | undefined>(
    bucket.call('look at the legal hold of', key, 's3:GetObjectLegalHold'),
    async (http) => (await bucket.client.send(new GetObjectLegalHoldCommand(version), http)).LegalHold,
    { rescue: noLock },
  );
  const legalHold = hold !== NO_LOCKS && hold?.Status === 'ON';
  return lockInForce(retention?.RetainUntilDate, legalHold, CLOCK_DIFFERENCE_MILLISECONDS);
}

/** undefined when neither a lock nor a hold is left. */
export function lockInForce(
  retainUntil: Date | undefined,
  legalHold: boolean,
  marginMilliseconds = 0,
): RetentionLock | undefined {
  const locked = retainUntil !== undefined && retainUntil.getTime() + marginMilliseconds > Date.now();
  return locked || legalHold ? { until: locked ? retainUntil : undefined, legalHold } : undefined;
}

/** `object` is `s3://bucket/key`. */
export function lockedError(object: string, lock: RetentionLock): RetentionLockedError {
  return new RetentionLockedError(`${object} is ${describeLock(lock)}`, {
    remedy: lock.legalHold
      ? 'Keep it, or have the legal hold released by whoever put it there.'
      : 'Keep it until then; Lifeboat bypasses no lock, and in compliance mode nobody can.',
  });
}

function noLock({ failure, error }: Refusal): typeof NO_LOCKS | undefined {
  if (failure.code === 'InvalidRequest' || failure.status === 501) return NO_LOCKS;
  // 404 also for a version that has gone since it was listed.
  if (failure.code === NO_LOCK || failure.status === 404) return undefined;
  throw error;
}
