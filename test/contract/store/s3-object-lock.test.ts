import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import {
  DeleteObjectCommand,
  GetObjectRetentionCommand,
  ListObjectVersionsCommand,
  PutObjectCommand,
  PutObjectLegalHoldCommand,
  type ObjectLockMode,
} from '@aws-sdk/client-s3';
import {
  ConflictError,
  NotFoundError,
  PermissionError,
  RetentionLockedError,
  StoreUnavailableError,
} from '../../../lambdas/domain/errors.ts';
import type { S3Store } from '../../../lambdas/store/s3-store.ts';
import { partSizeBytes } from '../../../lambdas/store/s3-upload.ts';
import {
  startHttpFaultProxy,
  type HttpFault,
  type HttpFaultProxy,
  type SeenRequest,
} from '../../testbed/http-fault-proxy.ts';
import { waitFor } from '../../testbed/waiting.ts';
import { listAll, patternedBytes, readAll, sha256, uploadAll } from './bytes.ts';
import { openS3, storeAt, type S3Access } from './s3-access.ts';

const BUCKET = 'locked';
const PREFIX = 'some/prefix/';
const HOUR_MILLISECONDS = 3_600_000;
const PART_BYTES = partSizeBytes();

let s3: S3Access;
let store: S3Store;
/** A key of each test's own. */
let key: string;
let keyCount = 0;

beforeAll(async () => {
  s3 = await openS3();
  await Promise.all([s3.server.createBucket(BUCKET, { objectLock: true }), s3.server.createBucket('plain')]);
  store = storeAt(s3.server.endpoint, BUCKET);
}, 600_000);
afterAll(() => s3.close());
beforeEach(() => {
  keyCount += 1;
  key = `object-${keyCount}`;
});

const inAnHour = () => new Date(Date.now() + HOUR_MILLISECONDS);
/** As messages show it, without what is below the second. */
const toTheSecond = (time: Date) => time.toISOString().slice(0, 19);
const read = async (from = key) => (await readAll(await store.read(from))).toString();

/** Counts versions with content and delete markers of the test's key. */
async function countVersions(): Promise<{ contents: number; markers: number }> {
  const { Versions = [], DeleteMarkers = [] } = await s3.client.send(
    new ListObjectVersionsCommand({ Bucket: BUCKET, Prefix: PREFIX + key }),
  );
  return { contents: Versions.length, markers: DeleteMarkers.length };
}

/** What others do to the key, who do not know of versions. */
async function hideByOthers(): Promise<void> {
  await s3.client.send(new DeleteObjectCommand({ Bucket: BUCKET, Key: PREFIX + key }));
}

async function putByOthers(content: string, mode?: ObjectLockMode): Promise<void> {
  const lock = mode && { ObjectLockMode: mode, ObjectLockRetainUntilDate: inAnHour() };
  await s3.client.send(new PutObjectCommand({ Bucket: BUCKET, Key: PREFIX + key, Body: content, ...lock }));
}

async function hold(status: 'ON' | 'OFF'): Promise<void> {
  await s3.client.send(
    new PutObjectLegalHoldCommand({ Bucket: BUCKET, Key: PREFIX + key, LegalHold: { Status: status } }),
  );
}

describe('a locked object', () => {
  it.each([
    ['small', 10],
    ['in parts', PART_BYTES + 10],
  ])('can be neither removed nor overwritten until the given time: %s', async (_name, sizeBytes) => {
    const retainUntil = inAnHour();
    const bytes = patternedBytes(sizeBytes);
    const { etag } = await uploadAll(store, key, bytes, { ifAbsent: true, retainUntil });
    await expect(store.remove(key)).rejects.toThrow(RetentionLockedError);
    await expect(store.remove(key)).rejects.toThrow(`locked until ${toTheSecond(retainUntil)}`);
    await expect(uploadAll(store, key, patternedBytes(sizeBytes, 1))).rejects.toThrow(RetentionLockedError);
    await expect(store.put(key, Buffer.from('other'), { ifMatch: etag })).rejects.toThrow(RetentionLockedError);
    await expect(store.put(key, Buffer.from('other'), { ifAbsent: true })).rejects.toThrow(ConflictError);
    expect(sha256(await readAll(await store.read(key)))).toBe(sha256(bytes));
    expect(await countVersions()).toEqual({ contents: 1, markers: 0 });
  });

  it.each([
    ['governance', {}],
    ['governance', { lockMode: 'governance' }],
    ['compliance', { lockMode: 'compliance' }],
  ] as const)('is under %s, written with %j', async (mode, options) => {
    await store.put(key, Buffer.from('small'), { ...options, retainUntil: inAnHour() });
    await uploadAll(store, `${key}-parts`, patternedBytes(PART_BYTES + 10), { ...options, retainUntil: inAnHour() });
    for (const written of [key, `${key}-parts`]) {
      const Key = PREFIX + written;
      const { Retention } = await s3.client.send(new GetObjectRetentionCommand({ Bucket: BUCKET, Key }));
      expect([written, Retention?.Mode?.toLowerCase()]).toEqual([written, mode]);
      // These credentials could bypass governance.
      await expect(store.remove(written)).rejects.toThrow(RetentionLockedError);
    }
  });

  it.each(['COMPLIANCE', 'GOVERNANCE'] as const)('is told with its end, whoever locked it: %s', async (mode) => {
    await putByOthers('1', mode);
    const { versions, lock } = await store.history(key);
    expect({ versions, legalHold: lock?.legalHold }).toEqual({ versions: 1, legalHold: false });
    expect(lock?.until?.getTime()).toBeGreaterThan(Date.now());
    // These credentials could bypass governance.
    await expect(store.remove(key)).rejects.toThrow(`locked until ${toTheSecond(lock?.until ?? new Date(0))}`);
    expect(await countVersions()).toEqual({ contents: 1, markers: 0 });
  });

  it('can be removed when its time has passed', async () => {
    await store.put(key, Buffer.from('1'), { retainUntil: new Date(Date.now() + 1500) });
    await expect(store.remove(key)).rejects.toThrow(RetentionLockedError);
    const remove = async () => {
      try {
        await store.remove(key);
        return true;
      } catch (error) {
        if (error instanceof RetentionLockedError) return false;
        throw error;
      }
    };
    await waitFor('the lock to end', remove, { timeoutSeconds: 20 });
    expect(await countVersions()).toEqual({ contents: 0, markers: 0 });
  });

  it('under a legal hold can be removed when the hold is released', async () => {
    await store.put(key, Buffer.from('1'));
    await hold('ON');
    expect(await store.history(key)).toEqual({ versions: 1, lock: { until: undefined, legalHold: true } });
    await expect(store.remove(key)).rejects.toThrow(RetentionLockedError);
    await expect(store.remove(key)).rejects.toThrow(/is under a legal hold$/);
    await expect(store.put(key, Buffer.from('2'))).rejects.toThrow(RetentionLockedError);
    await hold('OFF');
    expect(await store.history(key)).toEqual({ versions: 1, lock: undefined });
    await store.remove(key);
    expect(await countVersions()).toEqual({ contents: 0, markers: 0 });
  });

  it('keeps the object that others put over it, when it is a former version', async () => {
    await store.put(key, Buffer.from('locked'), { retainUntil: inAnHour() });
    await putByOthers('newer');
    expect((await store.history(key)).lock).toBeDefined();
    await expect(store.remove(key)).rejects.toThrow(RetentionLockedError);
    expect(await read()).toBe('newer');
    expect(await countVersions()).toEqual({ contents: 2, markers: 0 });
  });

  it('that others have hidden stays hidden, and is told', async () => {
    await store.put(key, Buffer.from('1'), { retainUntil: inAnHour() });
    await hideByOthers();
    expect(await store.head(key)).toBeUndefined();
    expect(await store.history(key)).toMatchObject({ versions: 1, lock: { legalHold: false } });
    await expect(store.remove(key)).rejects.toThrow(RetentionLockedError);
    expect(await countVersions()).toEqual({ contents: 1, markers: 1 });
  });

  it('is refused by a bucket that has no locks, and nothing is written', async () => {
    const plain = storeAt(s3.server.endpoint, 'plain');
    await expect(plain.put(key, Buffer.from('1'), { retainUntil: inAnHour() })).rejects.toThrow(
      new RegExp(`could not write s3://plain/some/prefix/${key}: the bucket can hold no retention locks`),
    );
    expect(await plain.head(key)).toBeUndefined();
    expect(await plain.history(key)).toEqual({ versions: 0, lock: undefined });
  });
});

describe('an object with versions', () => {
  it('is removed with all of them and with the markers of others, such that it can be written anew', async () => {
    await store.put(key, Buffer.from('1'));
    await store.put(key, Buffer.from('2'));
    await hideByOthers();
    await store.put(key, Buffer.from('3'));
    await hideByOthers();
    expect(await countVersions()).toEqual({ contents: 3, markers: 2 });
    expect(await store.history(key)).toEqual({ versions: 3, lock: undefined });
    await store.remove(key);
    expect(await countVersions()).toEqual({ contents: 0, markers: 0 });
    // Before, versitygw 1.8, unlike AWS, takes a delete marker for an object that is there.
    await store.put(key, Buffer.from('4'), { ifAbsent: true });
    expect(await read()).toBe('4');
  });

  it('is removed with more of them than a page of S3 holds', async () => {
    const rounds = 51;
    for (let round = 0; round < rounds; round += 1) {
      await Promise.all(Array.from({ length: 20 }, () => putByOthers('1')));
    }
    expect(await countVersions()).toEqual({ contents: 1000, markers: 0 });
    await store.remove(key);
    expect(await countVersions()).toEqual({ contents: 0, markers: 0 });
  });

  it('is removed without those whose names only begin like it', async () => {
    const others = ['-x', '.x', '0'].map((end) => key + end);
    for (const name of [key, ...others]) await store.put(name, Buffer.from(name));
    await store.remove(key);
    expect((await listAll(store, key)).map((object) => object.key)).toEqual(others);
  });
});

describe('a removal in trouble', () => {
  let proxy: HttpFaultProxy;
  let faulty: S3Store;
  beforeEach(async () => {
    proxy = await startHttpFaultProxy(s3.server.endpoint);
    faulty = storeAt(proxy.endpoint, BUCKET, { firstWaitMilliseconds: 1 });
  });
  afterEach(() => proxy.stop());

  const isDelete = ({ method }: SeenRequest): boolean => method === 'DELETE';
  const isListing = ({ query }: SeenRequest): boolean => query.has('versions');
  const isLockQuestion = ({ query }: SeenRequest): boolean => query.has('retention') || query.has('legal-hold');
  const answer = (status: number, code: string): HttpFault => ({ kind: 'answer', status, code });

  it.each<[string, HttpFault]>([
    ['503', answer(503, 'SlowDown')],
    ['a cut connection', { kind: 'drop-before' }],
    ['a lost answer', { kind: 'drop-after' }],
  ])('that passes does not show: %s', async (_name, fault) => {
    await store.put(key, Buffer.from('1'));
    await store.put(key, Buffer.from('2'));
    for (const when of [isListing, isLockQuestion, isDelete]) proxy.inject({ when, times: 1, fault });
    expect(await faulty.history(key)).toEqual({ versions: 2, lock: undefined });
    proxy.inject({ when: isListing, times: 1, fault });
    await faulty.remove(key);
    expect(await countVersions()).toEqual({ contents: 0, markers: 0 });
  });

  it('that lasts leaves the object as it was, and never brings a former version to light', async () => {
    for (const content of ['1', '2', '3']) await store.put(key, Buffer.from(content));
    let removals = 0;
    proxy.inject({
      when: (request) => isDelete(request) && (removals += 1) > 2,
      fault: answer(503, 'SlowDown'),
    });
    await expect(faulty.remove(key)).rejects.toThrow(StoreUnavailableError);
    expect(await countVersions()).toEqual({ contents: 1, markers: 0 });
    expect(await read()).toBe('3');
    proxy.heal();
    await faulty.remove(key);
    await expect(store.read(key)).rejects.toThrow(NotFoundError);
  });

  it('keeps what others have hidden out of sight to the end', async () => {
    await store.put(key, Buffer.from('1'));
    await hideByOthers();
    let removals = 0;
    proxy.inject({
      when: (request) => isDelete(request) && (removals += 1) > 1,
      fault: answer(503, 'SlowDown'),
    });
    await expect(faulty.remove(key)).rejects.toThrow(StoreUnavailableError);
    expect(await countVersions()).toEqual({ contents: 0, markers: 1 });
  });

  it.each<[string, (request: SeenRequest) => boolean, () => Promise<unknown>, RegExp]>([
    ['a listing of versions', isListing, () => faulty.remove(key), /s3:ListBucketVersions/],
    ['a removal', isDelete, () => faulty.remove(key), /s3:DeleteObjectVersion/],
    ['a question for a lock', isLockQuestion, () => faulty.history(key), /s3:GetObjectRetention/],
  ])('names the IAM action that is missing: %s', async (_name, when, work, action) => {
    await store.put(key, Buffer.from('1'));
    proxy.inject({ when, fault: answer(403, 'AccessDenied') });
    await expect(work()).rejects.toThrow(PermissionError);
    await expect(work()).rejects.toMatchObject({ remedy: expect.stringMatching(action) as unknown });
    expect(await read()).toBe('1');
  });

  it('is none for a service that knows no versions', async () => {
    const plain = storeAt(proxy.endpoint, 'plain');
    await plain.put(key, Buffer.from('1'));
    proxy.inject({ when: isListing, fault: answer(501, 'NotImplemented') });
    expect(await plain.history(key)).toEqual({ versions: 1, lock: undefined });
    await plain.remove(key);
    expect(await plain.history(key)).toEqual({ versions: 0, lock: undefined });
    expect(await plain.head(key)).toBeUndefined();
  });
});
