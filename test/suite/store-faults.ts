import { expect } from '@jest/globals';
import type { S3Limits } from '../../lambdas/store/s3-bucket.ts';
import { S3Store } from '../../lambdas/store/s3-store.ts';
import type { HttpFault, HttpFaultProxy } from '../testbed/http-fault-proxy.ts';
import type { S3Server } from '../testbed/s3.ts';
import { PREFIX, type Aftermath, type Outcome } from './aftermath.ts';
import { describeS3Request, faultOn } from './s3-requests.ts';

/** Every kind of request that a backup makes of S3, in order. */
const REQUESTS = [
  'ListObjectsV2',
  'PutObject identity.json.zst',
  'GetObject identity.json.zst',
  'CreateMultipartUpload',
  'UploadPart',
  'CompleteMultipartUpload',
  'GetObject etcd-main.db.zst',
  'PutObject manifest.json',
];
const ERROR_500: HttpFault = { kind: 'answer', status: 500, code: 'InternalError' };
/** Short enough for a test, long enough for an S3 on a busy machine. */
const LIMITS = { attempts: 2, firstWaitMilliseconds: 20, idleMilliseconds: 2_500, attemptMilliseconds: 2_500 };

/** A request, in words what S3 does to it, and that. */
type StoreFault = readonly [request: string, what: string, fault: HttpFault];

/** What one request of a backup may meet that another try makes good for. */
export const PASSING_FAULTS: readonly StoreFault[] = REQUESTS.flatMap((request): StoreFault[] => [
  [request, 'is answered 500', ERROR_500],
  [request, 'is answered 503', { kind: 'answer', status: 503, code: 'SlowDown' }],
  [request, 'is done, but its answer is lost', { kind: 'drop-after' }],
]);

/** What every request of a kind may meet, however often it is tried. */
export const LASTING_FAULTS: readonly StoreFault[] = REQUESTS.flatMap((request): StoreFault[] => [
  [request, 'is answered 500', ERROR_500],
  [request, 'hangs', { kind: 'hang' }],
]);

/** Backups into a bucket on a real S3, through a proxy that does the faults. */
export interface StoreInTrouble {
  readonly proxy: HttpFaultProxy;
  readonly aftermath: Aftermath;
  /** Takes a recovery point into the store that is given, else into that of the product's own limits. */
  readonly backUp: (store?: S3Store) => Promise<Outcome>;
  /** The store behind the proxy. */
  readonly open: (limits: Partial<S3Limits>) => S3Store;
}

/** The store in a bucket of a server, through a proxy before it. */
export function storeThrough(
  proxy: HttpFaultProxy,
  { region }: S3Server,
  bucket: string,
  limits: Partial<S3Limits> = {},
): S3Store {
  return new S3Store(bucket, PREFIX, { endpoint: proxy.endpoint, region, forcePathStyle: true, limits });
}

/** The faults are made for every request that there is, and for no other. */
export async function expectKnownRequests({ proxy, aftermath, backUp }: StoreInTrouble): Promise<void> {
  const before = proxy.requests.length;
  await aftermath.expectAllOrNothing(await backUp());
  expect([...new Set(proxy.requests.slice(before).map(describeS3Request))]).toEqual(REQUESTS);
}

/** One request meets the fault, and the backup succeeds. */
export async function expectBorne({ proxy, aftermath, backUp }: StoreInTrouble, [request, , fault]: StoreFault) {
  const before = proxy.requests.length;
  proxy.inject(faultOn(request, fault, 1));
  const outcome = await backUp();
  proxy.heal();
  expect(outcome.error).toBeUndefined();
  const made = proxy.requests.slice(before).filter((seen) => describeS3Request(seen) === request);
  expect(made.length).toBeGreaterThan(1);
  await aftermath.expectAllOrNothing(outcome);
}

/** Every request of the kind meets the fault, and the backup fails for now and leaves nothing. */
export async function expectGivenUp(
  { proxy, aftermath, backUp, open }: StoreInTrouble,
  [request, , fault]: StoreFault,
): Promise<void> {
  proxy.inject(faultOn(request, fault));
  const outcome = await backUp(open(LIMITS));
  proxy.heal();
  expect(outcome.manifest).toBeUndefined();
  await aftermath.expectNothingListed();
  // Whether its manifest was written is not known then, so that the rest must not be taken away.
  if (request === 'PutObject manifest.json') await aftermath.empty();
  await aftermath.expectAllOrNothing(outcome);
}
