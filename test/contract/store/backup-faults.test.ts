import { afterAll, beforeAll, beforeEach, describe, it, jest } from '@jest/globals';
import { Aftermath } from '../../suite/aftermath.ts';
import {
  expectBorne,
  expectGivenUp,
  expectKnownRequests,
  LASTING_FAULTS,
  PASSING_FAULTS,
  storeThrough,
  type StoreInTrouble,
} from '../../suite/store-faults.ts';
import { startHttpFaultProxy, type HttpFaultProxy } from '../../testbed/http-fault-proxy.ts';
import { putValues } from '../../testbed/etcd-writes.ts';
import { SecureEtcd } from '../../testbed/secure-etcd.ts';
import { waitFor } from '../../testbed/waiting.ts';
import { backUpEtcd } from '../backed-up-etcd.ts';
import { patternedBytes } from './bytes.ts';
import { openS3, type S3Access } from './s3-access.ts';

jest.setTimeout(120_000);

const BUCKET = 'backups';
/** Together more than one part of a multipart upload: they can't be compressed. */
const VALUES = { count: 100, value: (index: number) => patternedBytes(100_000, index) };

let etcd: SecureEtcd;
let s3: S3Access;
let proxy: HttpFaultProxy;
let backups: StoreInTrouble;

beforeAll(async () => {
  [etcd, s3] = await Promise.all([SecureEtcd.start({ release: '3.6' }), openS3()]);
  await putValues(etcd, 'etcd-0', VALUES);
  const { server } = s3;
  await server.createBucket(BUCKET);
  proxy = await startHttpFaultProxy(server.endpoint);
  const own = await etcd.idleReadTransactions('etcd-0');
  const untilReleased = async (): Promise<void> => {
    await waitFor('nobody to read', async () => (await etcd.openReadTransactions('etcd-0')) <= own, {
      timeoutSeconds: 30,
    });
  };
  backups = {
    proxy,
    aftermath: await Aftermath.of(server, BUCKET, { untilReleased }),
    backUp: (store = storeThrough(proxy, server, BUCKET)) =>
      backUpEtcd(etcd, { store }).then(
        (manifest) => ({ manifest }),
        (error: unknown) => ({ error }),
      ),
    open: (limits) => storeThrough(proxy, server, BUCKET, limits),
  };
}, 600_000);
afterAll(async () => {
  await backups.aftermath.close();
  await proxy.stop();
  await s3.close();
  await etcd.stop();
});
// What a test that failed has left would fail the others.
beforeEach(async () => {
  proxy.heal();
  await backups.aftermath.empty();
});

describe('a backup of a real etcd into a real S3', () => {
  it('meets every kind of request that the faults below are made for, and no other', () =>
    expectKnownRequests(backups));

  it.each(PASSING_FAULTS)('succeeds when one %s %s', (...fault) => expectBorne(backups, fault));

  it.each(LASTING_FAULTS)('fails for now and leaves nothing when every %s %s', (...fault) =>
    expectGivenUp(backups, fault),
  );
});
