import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { ListMultipartUploadsCommand, ListObjectVersionsCommand } from '@aws-sdk/client-s3';
import {
  ConflictError,
  LifeboatError,
  NotFoundError,
  PermissionError,
  StoreUnavailableError,
} from '../../../lambdas/domain/errors.ts';
import type { S3Limits } from '../../../lambdas/store/s3-bucket.ts';
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
import { ToldSilences } from '../told-silences.ts';

const BUCKET = 'faults';
const PART_BYTES = partSizeBytes();
const BYTES = patternedBytes(3 * PART_BYTES + 1);
const PATIENT: Partial<S3Limits> = { firstWaitMilliseconds: 1 };
const IMPATIENT: Partial<S3Limits> = { ...PATIENT, attempts: 2, attemptMilliseconds: 4_000, idleMilliseconds: 4_000 };

let s3: S3Access;
let direct: S3Store;
let proxy: HttpFaultProxy;
let store: S3Store;
/** A key of each test's own. */
let key: string;
let keyCount = 0;

beforeAll(async () => {
  s3 = await openS3();
  // With Object Lock the bucket is versioned: a repeated write would show as a second version.
  await s3.server.createBucket(BUCKET, { objectLock: true });
  direct = storeAt(s3.server.endpoint, BUCKET);
}, 600_000);
afterAll(() => s3.close());
beforeEach(async () => {
  proxy = await startHttpFaultProxy(s3.server.endpoint);
  store = storeAt(proxy.endpoint, BUCKET, PATIENT);
  keyCount += 1;
  key = `object-${keyCount}`;
});
afterEach(() => proxy.stop());

const isPut = ({ method, query }: SeenRequest): boolean => method === 'PUT' && !query.has('partNumber');
const isPart = ({ method, query }: SeenRequest): boolean => method === 'PUT' && query.has('partNumber');
const isBegin = ({ method, query }: SeenRequest): boolean => method === 'POST' && query.has('uploads');
const isComplete = ({ method, query }: SeenRequest): boolean => method === 'POST' && query.has('uploadId');
const isAbort = ({ method, query }: SeenRequest): boolean => method === 'DELETE' && query.has('uploadId');
const isRemove = ({ method, query }: SeenRequest): boolean => method === 'DELETE' && !query.has('uploadId');
const isLook = ({ method }: SeenRequest): boolean => method === 'HEAD';
const isList = ({ method, query }: SeenRequest): boolean => method === 'GET' && query.has('list-type');
const isRead = ({ method, query }: SeenRequest): boolean => method === 'GET' && query.get('x-id') === 'GetObject';
const isAny = (): boolean => true;

const answer = (status: number, code: string): HttpFault => ({ kind: 'answer', status, code });
const UNAVAILABLE = answer(503, 'SlowDown');

async function countUnfinished(): Promise<number> {
  const { Uploads = [] } = await s3.client.send(new ListMultipartUploadsCommand({ Bucket: BUCKET }));
  return Uploads.length;
}

async function countVersions(): Promise<number> {
  const { Versions = [], DeleteMarkers = [] } = await s3.client.send(
    new ListObjectVersionsCommand({ Bucket: BUCKET, Prefix: `some/prefix/${key}` }),
  );
  return Versions.length + DeleteMarkers.length;
}

async function errorOf(work: Promise<unknown>): Promise<LifeboatError> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(LifeboatError);
  // The proxy puts this into its error documents: a server's text must not get into ours.
  expect(JSON.stringify([(error as LifeboatError).message, String((error as LifeboatError).cause)])).not.toContain(
    'injected',
  );
  return error as LifeboatError;
}

describe('a passing fault', () => {
  const passing: [string, HttpFault][] = [
    ['500', answer(500, 'InternalError')],
    ['503', UNAVAILABLE],
    ['429', answer(429, 'TooManyRequests')],
    ['a cut connection', { kind: 'drop-before' }],
    ['a lost answer', { kind: 'drop-after' }],
  ];
  it.each(passing)('is not seen by who writes, reads, lists and removes: %s', async (_name, fault) => {
    for (const when of [isPut, isLook, isList, isRead, isRemove]) proxy.inject({ when, times: 1, fault });
    const { etag } = await store.put(key, Buffer.from('content'), { ifAbsent: true });
    expect(await store.head(key)).toMatchObject({ etag });
    expect((await listAll(store, key)).map((object) => object.etag)).toEqual([etag]);
    expect(await readAll(await store.read(key))).toEqual(Buffer.from('content'));
    expect(await countVersions()).toBe(1);
    await store.remove(key);
    expect(await direct.head(key)).toBeUndefined();
  });

  it.each(passing)('is not seen by an upload, which leaves nothing beside its object: %s', async (_name, fault) => {
    for (const when of [isBegin, isPart, isComplete]) proxy.inject({ when, times: 1, fault });
    const { etag } = await uploadAll(store, key, BYTES, { ifAbsent: true });
    expect(await direct.head(key)).toMatchObject({ etag, sizeBytes: BYTES.byteLength });
    expect(sha256(await readAll(await direct.read(key)))).toBe(sha256(BYTES));
    expect(await countUnfinished()).toBe(0);
    expect(await countVersions()).toBe(1);
  });

  it('is not seen by an abort', async () => {
    for (const fault of [UNAVAILABLE, { kind: 'drop-after' } as const])
      proxy.inject({ when: isAbort, times: 1, fault });
    const upload = await store.beginUpload(key);
    await upload.write(BYTES);
    await upload.abort();
    expect(await countUnfinished()).toBe(0);
  });

  it('ends a wait for an answer that does not come', async () => {
    store = storeAt(proxy.endpoint, BUCKET, IMPATIENT);
    for (const when of [isPut, isPart, isComplete, isRead]) proxy.inject({ when, times: 1, fault: { kind: 'hang' } });
    await store.put(`${key}-small`, Buffer.from('content'));
    await uploadAll(store, key, BYTES);
    expect(sha256(await readAll(await store.read(key)))).toBe(sha256(BYTES));
  });
});

describe('a store that is silent', () => {
  it.each<[string, (seen: SeenRequest) => boolean, HttpFault, string, () => Promise<unknown>]>([
    ['before a write', isPut, { kind: 'hang' }, 'write', () => store.put(key, Buffer.from('content'))],
    ['before a part', isPart, { kind: 'hang' }, 'upload part \\d of', () => uploadAll(store, key, BYTES)],
    [
      'in the middle of what is read',
      isRead,
      { kind: 'stall', afterBytes: PART_BYTES },
      'read',
      async () => {
        await uploadAll(direct, key, BYTES);
        return await readAll(await store.read(key));
      },
    ],
  ])('is told of, and that it is heard again: %s', async (_name, when, fault, verb, work) => {
    store = storeAt(proxy.endpoint, BUCKET, IMPATIENT);
    proxy.inject({ when, times: 1, fault });
    const silences = new ToldSilences();
    const working = silences.during(work);
    const from = new RegExp(`the store \\(${verb} s3://${BUCKET}/some/prefix/${key}\\)`);
    await silences.ofWhat(from);
    await working;
    await silences.overWith(from);
  });

  it('is none while the bytes of a part leave slowly', async () => {
    // Long enough that it is silent for too long in one piece, and what sockets hold back at its end is not.
    const body = patternedBytes(4 * PART_BYTES);
    proxy.inject({ when: isPut, times: 1, fault: { kind: 'slow', bytesPerSecond: PART_BYTES } });
    const silences = new ToldSilences(500);
    await silences.during(() => store.put(key, body));
    expect(silences.isEmpty).toBe(true);
    expect(sha256(await readAll(await direct.read(key)))).toBe(sha256(body));
  });
});

describe('a lasting fault', () => {
  beforeEach(() => {
    store = storeAt(proxy.endpoint, BUCKET, IMPATIENT);
  });

  it.each<[string, HttpFault, RegExp]>([
    ['503', UNAVAILABLE, /(throttling \(SlowDown, |could not do it now \()HTTP 503\)/],
    ['500', answer(500, 'InternalError'), /could not do it now \((InternalError, )?HTTP 500\)/],
    ['cut connections', { kind: 'drop-before' }, /connection was cut/],
    ['silence', { kind: 'hang' }, /did not answer in time/],
  ])('is told after bounded attempts: %s', async (_name, fault, why) => {
    proxy.inject({ when: isAny, fault });
    const calls = [
      () => store.put(key, Buffer.from('1'), { ifAbsent: true }),
      () => store.head(key),
      () => store.read(key),
      () => listAll(store, ''),
      () => store.remove(key),
    ];
    for (const error of await Promise.all(calls.map((call) => errorOf(call())))) {
      expect(error).toBeInstanceOf(StoreUnavailableError);
      expect(error.message).toMatch(why);
      expect(error.message).toContain(`s3://${BUCKET}/some/prefix/`);
      expect(error.remedy).toBeDefined();
    }
  });

  it('of parts fails the upload, and the abort leaves nothing', async () => {
    proxy.inject({ when: ({ query }) => query.get('partNumber') === '2', fault: UNAVAILABLE });
    expect(await errorOf(uploadAll(store, key, BYTES))).toBeInstanceOf(StoreUnavailableError);
    expect(await countUnfinished()).toBe(0);
    expect(await direct.head(key)).toBeUndefined();
  });

  it('that keeps an upload from being aborted is told, and the abort can be repeated', async () => {
    const upload = await store.beginUpload(key);
    await upload.write(BYTES);
    proxy.inject({ when: isAny, fault: UNAVAILABLE });
    expect(await errorOf(upload.complete())).toBeInstanceOf(StoreUnavailableError);
    expect(await errorOf(upload.abort())).toBeInstanceOf(StoreUnavailableError);
    expect(await countUnfinished()).toBe(1);
    proxy.heal();
    await upload.abort();
    expect(await countUnfinished()).toBe(0);
    expect(await direct.head(key)).toBeUndefined();
  });

  it('of the beginning leaves no upload whose id was lost', async () => {
    proxy.inject({ when: isBegin, fault: { kind: 'drop-after' } });
    expect(await errorOf(uploadAll(store, key, BYTES))).toBeInstanceOf(StoreUnavailableError);
    expect(await countUnfinished()).toBe(0);
  });

  it('of every answer to the completion is a success all the same, and one object', async () => {
    proxy.inject({ when: isComplete, fault: { kind: 'drop-after' } });
    const { etag } = await uploadAll(store, key, BYTES, { ifAbsent: true });
    expect(await direct.head(key)).toMatchObject({ etag });
    expect(await countVersions()).toBe(1);
    expect(await countUnfinished()).toBe(0);
  });

  it.each([
    ['small', 10],
    ['in parts', BYTES.byteLength],
  ])('after which nobody knows whether the object appeared is undone by the abort: %s', async (_name, sizeBytes) => {
    const upload = await store.beginUpload(key, { ifAbsent: true });
    await upload.write(BYTES.subarray(0, sizeBytes));
    for (const when of [isPut, isComplete]) proxy.inject({ when, fault: { kind: 'drop-after' } });
    proxy.inject({ when: isLook, fault: UNAVAILABLE });
    expect(await errorOf(upload.complete())).toBeInstanceOf(StoreUnavailableError);
    expect(await direct.head(key)).toBeDefined();
    proxy.heal();
    await upload.abort();
    expect(await direct.head(key)).toBeUndefined();
    expect(await countVersions()).toBe(0);
    expect(await countUnfinished()).toBe(0);
  });
});

describe('a conditional write whose answer was lost', () => {
  it('is a conflict when another one was first', async () => {
    await direct.put(key, Buffer.from('first'));
    proxy.inject({ when: isPut, times: 1, fault: { kind: 'drop-after' } });
    expect(await errorOf(store.put(key, Buffer.from('second'), { ifAbsent: true }))).toBeInstanceOf(ConflictError);
    expect(await readAll(await direct.read(key))).toEqual(Buffer.from('first'));
  });

  it('is a success when it was the one that replaced what was read', async () => {
    const { etag } = await direct.put(key, Buffer.from('1'));
    proxy.inject({ when: isPut, times: 1, fault: { kind: 'drop-after' } });
    const replaced = await store.put(key, Buffer.from('2'), { ifMatch: etag });
    expect(await direct.head(key)).toMatchObject({ etag: replaced.etag });
    expect(await countVersions()).toBe(2);
  });

  it('is tried again when it met another one, and lost when it keeps meeting others', async () => {
    const met = answer(409, 'ConditionalRequestConflict');
    proxy.inject({ when: isPut, times: 1, fault: met });
    await store.put(key, Buffer.from('1'), { ifAbsent: true });
    proxy.inject({ when: isPut, fault: met });
    expect(await errorOf(store.put(`${key}-other`, Buffer.from('1'), { ifAbsent: true }))).toBeInstanceOf(
      ConflictError,
    );
  });
});

describe('bytes that are damaged on their way', () => {
  it('are sent again', async () => {
    for (const when of [isPut, isPart]) proxy.inject({ when, times: 1, fault: { kind: 'damage' } });
    await store.put(`${key}-small`, Buffer.from('content'));
    await uploadAll(store, key, BYTES);
    expect(await readAll(await direct.read(`${key}-small`))).toEqual(Buffer.from('content'));
    expect(sha256(await readAll(await direct.read(key)))).toBe(sha256(BYTES));
  });

  it('are never stored', async () => {
    store = storeAt(proxy.endpoint, BUCKET, IMPATIENT);
    for (const when of [isPut, isPart]) proxy.inject({ when, fault: { kind: 'damage' } });
    for (const bytes of [Buffer.from('content'), BYTES]) {
      const error = await errorOf(uploadAll(store, key, bytes));
      expect(error).toBeInstanceOf(StoreUnavailableError);
      expect(error.message).toMatch(/did not arrive as they were sent/);
    }
    expect(await direct.head(key)).toBeUndefined();
    expect(await countUnfinished()).toBe(0);
  });
});

describe('an upload that is aborted while parts are on their way', () => {
  it('leaves nothing, and its writer hears of it', async () => {
    proxy.inject({ when: isPart, fault: { kind: 'slow', bytesPerSecond: PART_BYTES } });
    const upload = await store.beginUpload(key);
    const writing = upload.write(patternedBytes(6 * PART_BYTES));
    const written = expect(writing).rejects.toThrow(StoreUnavailableError);
    await waitFor('a part on its way', () => proxy.requests.some(isPart), { timeoutSeconds: 20 });
    await upload.abort();
    await written;
    expect(await countUnfinished()).toBe(0);
  });
});

describe('a refusal', () => {
  it('names the IAM action and the object', async () => {
    await direct.put(key, Buffer.from('1'));
    proxy.inject({ when: isAny, fault: answer(403, 'AccessDenied') });
    const upload = await store.beginUpload(key, { ifAbsent: true });
    const calls: [Promise<unknown>, string][] = [
      [store.put(key, Buffer.from('1'), { ifAbsent: true }), 's3:PutObject'],
      [upload.write(BYTES), 's3:PutObject'],
      [store.head(key), 's3:GetObject'],
      [store.read(key), 's3:GetObject'],
      [listAll(store, key), 's3:ListBucket'],
    ];
    for (const [call, action] of calls) {
      const error = await errorOf(call);
      expect(error).toBeInstanceOf(PermissionError);
      expect(error.message).toContain(`s3://${BUCKET}/some/prefix/${key}: access was denied`);
      expect(error.remedy).toContain(action);
    }
    proxy.heal();
    proxy.inject({ when: isRemove, fault: answer(403, 'AccessDenied') });
    expect((await errorOf(store.remove(key))).remedy).toContain('s3:DeleteObject');
    await upload.abort();
  });

  it('says that the credentials have expired', async () => {
    proxy.inject({ when: isAny, fault: answer(400, 'ExpiredToken') });
    const error = await errorOf(store.read(key));
    expect(error).toBeInstanceOf(PermissionError);
    expect(error.message).toMatch(/credentials have expired/);
  });
});

describe('a read whose connection breaks', () => {
  beforeEach(() => uploadAll(direct, key, BYTES));

  it.each<[string, HttpFault]>([
    ['is cut', { kind: 'cut', afterBytes: 1_000_000 }],
    ['falls silent', { kind: 'stall', afterBytes: 1_000_000 }],
  ])('goes on where it was: %s', async (_name, fault) => {
    store = storeAt(proxy.endpoint, BUCKET, IMPATIENT);
    proxy.inject({ when: isRead, times: 3, fault });
    expect(sha256(await readAll(await store.read(key)))).toBe(sha256(BYTES));
    proxy.inject({ when: isRead, times: 1, fault });
    const [start, end] = [5_000_000, 20_000_000];
    const range = await readAll(await store.read(key, { start, end }));
    expect(sha256(range)).toBe(sha256(BYTES.subarray(start, end + 1)));
  });

  it('gives up when no byte comes any more', async () => {
    proxy.inject({ when: isRead, times: 1, fault: { kind: 'cut', afterBytes: 1_000_000 } });
    proxy.inject({ when: isRead, fault: { kind: 'cut', afterBytes: 0 } });
    const error = await errorOf(store.read(key).then(readAll));
    expect(error).toBeInstanceOf(StoreUnavailableError);
    expect(error.message).toMatch(/connection broke after \d+ of \d+ bytes, 5 times in a row/);
  });

  it('does not mix two contents', async () => {
    proxy.inject({ when: isRead, times: 1, fault: { kind: 'cut', afterBytes: 1_000_000 } });
    const stream = await store.read(key);
    await direct.put(key, patternedBytes(BYTES.byteLength, 1));
    expect(await errorOf(readAll(stream))).toBeInstanceOf(ConflictError);
  });

  it('says when the object is gone by then', async () => {
    proxy.inject({ when: isRead, times: 1, fault: { kind: 'cut', afterBytes: 1_000_000 } });
    const stream = await store.read(key);
    await direct.remove(key);
    expect(await errorOf(readAll(stream))).toBeInstanceOf(NotFoundError);
  });
});
