import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { Dirent } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { sampleOf } from '../../suite/extent.ts';
import { Workspace } from '../../suite/lifeboat.ts';
import { randomNumbers } from '../../suite/random.ts';
import { describeS3Request, faultOn } from '../../suite/s3-requests.ts';
import { seed } from '../../suite/seed.ts';
import {
  expectBorne,
  expectGivenUp,
  expectKnownRequests,
  LASTING_FAULTS,
  PASSING_FAULTS,
  storeThrough,
  type StoreInTrouble,
} from '../../suite/store-faults.ts';
import { waitFor } from '../../testbed/waiting.ts';
import { enrolledKubeconfig, SETUP_TIMEOUT_MILLISECONDS } from '../bed.ts';
import { withTmpfs } from '../tmpfs.ts';
import { backUp, buildFaultStage, type FaultStage } from './fault-stage.ts';

const random = randomNumbers(seed);
/** All of them are tried on an etcd without a cluster: test/contract/store/backup-faults.test.ts. */
let stage: FaultStage;
let backups: StoreInTrouble;
beforeAll(async () => {
  stage = await buildFaultStage('store-faults', 1);
  const { s3: proxy, aftermath, bed, bucket } = stage;
  backups = {
    ...{ proxy, aftermath },
    backUp: (store) => backUp(stage, store === undefined ? {} : { store }),
    open: (limits) => storeThrough(proxy, bed.s3, bucket, limits),
  };
}, SETUP_TIMEOUT_MILLISECONDS);
afterAll(() => stage.close(), SETUP_TIMEOUT_MILLISECONDS);
// What a test that failed has left would fail the others.
beforeEach(async () => {
  stage.s3.heal();
  await stage.aftermath.empty();
});

describe('a backup into an S3 in trouble', () => {
  it(
    'meets every kind of request that the faults below are made for, and no other',
    () => expectKnownRequests(backups),
    120_000,
  );

  it.each(sampleOf(PASSING_FAULTS, random))(
    'succeeds when one %s %s',
    (...fault) => expectBorne(backups, fault),
    120_000,
  );

  it.each(sampleOf(LASTING_FAULTS, random))(
    'fails for now and leaves nothing when every %s %s',
    (...fault) => expectGivenUp(backups, fault),
    120_000,
  );

  it('succeeds or fails for now when S3 dies in the middle of a part and comes back', async () => {
    const before = stage.s3.requests.length;
    stage.s3.inject(faultOn('UploadPart', { kind: 'slow', bytesPerSecond: 4 * 1024 * 1024 }, 1));
    const backingUp = backUp(stage);
    await waitFor(
      'a part to be under way',
      () =>
        stage.s3.requests
          .slice(before)
          .some((seen) => describeS3Request(seen) === 'UploadPart' && seen.receivedBytes > 0),
      { timeoutSeconds: 60, intervalMilliseconds: 5 },
    );
    await stage.bed.s3.kill();
    await stage.bed.s3.start();
    await stage.aftermath.expectAllOrNothing(await backingUp);
  }, 120_000);

  it.each([
    ['the secret access key', { AWS_SECRET_ACCESS_KEY: 'not-the-one-that-belongs-to-it' }, /secret access key/],
    ['the access key', { AWS_ACCESS_KEY_ID: 'AKIAUNKNOWNUNKNOWN00' }, /access key is unknown/],
  ])(
    'names what is wrong with %s',
    async (_, credentials, named) => {
      const { endpoint, region } = stage.bed.s3;
      const workspace = await workspaceWith(
        { store: `s3://${stage.bucket}/lifeboat`, s3: { endpoint, region, forcePathStyle: true } },
        credentials,
      );
      const { exitCode, stderr } = await workspace.run(['backup', stage.controlPlane]);
      await workspace.remove();
      expect(exitCode).toBe(2);
      expect(stderr).toMatch(named);
      expect(stderr).toMatch(/next: +Set AWS_ACCESS_KEY_ID/);
      await stage.aftermath.expectNothingLeft();
    },
    60_000,
  );

  it('names the bucket that does not exist', async () => {
    const { endpoint, region } = stage.bed.s3;
    const workspace = await workspaceWith({
      store: 's3://no-such-bucket-anywhere/lifeboat',
      s3: { endpoint, region, forcePathStyle: true },
    });
    const { exitCode, stderr } = await workspace.run(['backup', stage.controlPlane]);
    await workspace.remove();
    expect(exitCode).toBe(2);
    expect(stderr).toMatch(/s3:\/\/no-such-bucket-anywhere.*: the bucket does not exist/);
    expect(stderr).toMatch(/next: +Create the bucket/);
  }, 60_000);
});

describe('a backup into a directory in trouble', () => {
  it('says that the disk is full, and leaves no file', async () => {
    await withTmpfs('size=4m,mode=0700', async (path) => {
      const workspace = await workspaceWith({ store: path });
      const { exitCode, stderr } = await workspace.run(['backup', stage.controlPlane]);
      await workspace.remove();
      expect(exitCode).toBe(1);
      expect(stderr).toMatch(/could not write .*: no space left \(ENOSPC\)/);
      expect(stderr).toMatch(/next: +Free space on that filesystem/);
      expect(await filesBelow(path)).toEqual([]);
    });
    await stage.aftermath.expectNothingLeft();
  }, 60_000);

  it('says that the directory can not be written', async () => {
    await withTmpfs('ro', async (path) => {
      const workspace = await workspaceWith({ store: path });
      const { exitCode, stderr } = await workspace.run(['backup', stage.controlPlane]);
      await workspace.remove();
      expect(stderr).toMatch(/could not write .*: the filesystem is read-only \(EROFS\)/);
      expect(stderr).toMatch(/next: +Give the user that runs Lifeboat/);
      expect(exitCode).toBe(2);
    });
  }, 60_000);

  it('says that there is no room to unpack what is to be proven, and leaves no file', async () => {
    await withTmpfs('size=4m,mode=0700', async (path) => {
      const workspace = await workspaceWith({ store: './recovery-points' }, { TMPDIR: path });
      const { exitCode, stderr } = await workspace.run(['backup', stage.controlPlane]);
      expect(exitCode).toBe(2);
      expect(stderr).toMatch(/bytes free, and verifying needs/);
      expect(stderr).toMatch(/next: +Free some space there/);
      expect(await filesBelow(path)).toEqual([]);
      expect(await filesBelow(`${workspace.directory}/recovery-points`)).toEqual([]);
      await workspace.remove();
    });
    await stage.aftermath.expectNothingLeft();
  }, 60_000);
});

/** A workspace with another store than the stage's, straight to the cluster. */
async function workspaceWith(
  store: { readonly store: string; readonly s3?: { endpoint: string; region: string; forcePathStyle: boolean } },
  environment: NodeJS.ProcessEnv = {},
): Promise<Workspace> {
  const { cluster } = stage.hosted;
  return await Workspace.create(
    { ...store, managementClusters: { [cluster.name]: { kubeconfig: await enrolledKubeconfig(cluster) } } },
    environment,
  );
}

async function filesBelow(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  // The locks of the directory store stay, and are empty; those of control planes stay when they are given back.
  const isLock = ({ parentPath }: Dirent) => parentPath.endsWith('/.lock') || parentPath.includes('/locks/');
  return entries.filter((entry) => entry.isFile() && !isLock(entry)).map(({ name }) => name);
}
