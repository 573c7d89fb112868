import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import {
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  ListMultipartUploadsCommand,
  PutObjectLegalHoldCommand,
  PutObjectRetentionCommand,
} from '@aws-sdk/client-s3';
import { configurationSchema } from '../../../lambdas/domain/configuration.ts';
import { formatControlPlaneName } from '../../../lambdas/domain/control-plane.ts';
import { LockedError } from '../../../lambdas/domain/errors.ts';
import { controlPlaneLock } from '../../../lambdas/domain/operation.ts';
import { retentionRulesSchema } from '../../../lambdas/domain/policy.ts';
import {
  manifestKey,
  pinKey,
  proofKey,
  recoveryPointPrefix,
  recoveryPointsRoot,
} from '../../../lambdas/domain/recovery-point.ts';
import { applyRetention, type RetentionReport, type RetentionRequest } from '../../../lambdas/policy-runs/retain.ts';
import { sweepLeftovers, type SweepRequest } from '../../../lambdas/policy-runs/sweep.ts';
import { Catalogue } from '../../../lambdas/store/catalogue.ts';
import { Locks } from '../../../lambdas/store/locks.ts';
import type { ObjectStore } from '../../../lambdas/store/object-store.ts';
import { partSizeBytes } from '../../../lambdas/store/s3-upload.ts';
import { listAll, patternedBytes } from './bytes.ts';
import { openS3, storeAt, type S3Access } from './s3-access.ts';
import { SUBJECTS, type Subject } from './store-subjects.ts';
import { addressOf, CONTROL_PLANE, storeData, storePoint } from '../stored-points.ts';

const DAY_MILLISECONDS = 24 * 3600 * 1000;
const LEASE_MILLISECONDS = 60_000;
const LOCK = controlPlaneLock(formatControlPlaneName(CONTROL_PLANE));
const KEEP_TWO = retentionRulesSchema.parse({ last: 2, minimumVerified: 1 });
const ROOT = `${recoveryPointsRoot('hypershift')}${formatControlPlaneName(CONTROL_PLANE)}/`;

/** Applies the rules under the control plane's lock, as prune and policy runs do. */
async function retain(
  store: ObjectStore,
  { ahead = 0, ...request }: Partial<RetentionRequest> & { readonly ahead?: number } = {},
): Promise<RetentionReport> {
  const clock = () => new Date(Date.now() + ahead);
  const locks = new Locks(store);
  const lock = await locks.acquire(LOCK, 'prune', 'deletes points', LEASE_MILLISECONDS);
  const keepLock = async () => {
    await locks.extend(lock, LEASE_MILLISECONDS);
  };
  const configuration = configurationSchema.parse({ store: '.', managementClusters: {} });
  const ports = { store, catalogue: new Catalogue(store), locks, configuration, clock };
  try {
    const usual = { controlPlane: CONTROL_PLANE, policy: 'nightly', rules: KEEP_TWO, keepLock };
    return await applyRetention({ ...usual, ...request }, ports);
  } finally {
    await locks.release(lock);
  }
}

/** Sweeps as if two days had passed: an object's time can't be set in S3. */
async function sweep(store: ObjectStore, request: Partial<SweepRequest> = {}) {
  const now = new Date(Date.now() + 2 * DAY_MILLISECONDS);
  const keepLock = () => Promise.resolve();
  return await sweepLeftovers({ controlPlane: CONTROL_PLANE, now, cap: 50, keepLock, ...request }, store);
}

/** For `keepLock`: does something between the decision and the first deletion. */
function atTheLastMoment(work: () => Promise<void>): () => Promise<void> {
  let calls = 0;
  // The first call comes before the decision.
  return () => ((calls += 1) === 2 ? work() : Promise.resolve());
}

const ids = async (store: ObjectStore) =>
  (await Array.fromAsync(new Catalogue(store).points(CONTROL_PLANE))).map(({ address: { id } }) => id);
const deletedIds = ({ points }: RetentionReport) => points.filter(({ deleted }) => deleted).map(({ id }) => id);
const reasonsFor = ({ points }: RetentionReport, wanted: string) => points.find(({ id }) => id === wanted)?.reasons;

const [A = '', B = '', C = '', D = '', E = '', F = ''] = [1, 2, 3, 4, 5, 6].map((day) => `2024010${day}T030000Z-aaaa`);

describe.each(SUBJECTS)('retention over %s', (_name, open) => {
  let subject: Subject;
  beforeAll(async () => {
    subject = await open();
  }, 600_000);
  afterAll(() => subject.close());

  it('deletes what no rule keeps, such that nothing is left of it, and nothing more the second time', async () => {
    const { store, countStored } = await subject.place();
    for (const id of [A, B, C, D]) await storePoint(store, id);
    const catalogue = new Catalogue(store);
    const proof = { kind: 'live', result: 'passed', takenAt: '2024-01-02T00:00:00.000Z' } as const;
    await catalogue.append(addressOf(A), { ...proof, datastore: 'main', detail: 'as found' });
    await catalogue.pin(addressOf(A), true);
    await catalogue.pin(addressOf(A), false);
    const dryRun = await retain(store, { keepLock: undefined });
    expect(dryRun.points.map(({ id, action }) => [id, action])).toEqual([
      [D, 'keep'],
      [C, 'keep'],
      [B, 'delete'],
      [A, 'delete'],
    ]);
    expect(await ids(store)).toEqual([A, B, C, D]);
    const report = await retain(store);
    expect(report.points.map(({ id, action, reasons }) => [id, action, reasons])).toEqual(
      dryRun.points.map(({ id, action, reasons }) => [id, action, reasons]),
    );
    expect(deletedIds(report)).toEqual([B, A]);
    expect(await Promise.all([A, B].map((id) => countStored(recoveryPointPrefix(addressOf(id)))))).toEqual([0, 0]);
    const left = await listAll(store, ROOT);
    expect(deletedIds(await retain(store))).toEqual([]);
    expect(await listAll(store, ROOT)).toEqual(left);
    expect(await ids(store)).toEqual([C, D]);
  });

  it("leaves what is not Lifeboat's where it lies", async () => {
    const { store } = await subject.place();
    for (const id of [A, B, C]) await storePoint(store, id);
    const foreign = [`${recoveryPointPrefix(addressOf(A))}notes.txt`, `${ROOT}README.md`, `${ROOT}archive/${A}/x`];
    for (const key of foreign) await store.put(key, Buffer.from('1'));
    expect(deletedIds(await retain(store))).toEqual([A]);
    expect(await ids(store)).toEqual([B, C]);
    expect(await sweep(store)).toEqual([
      expect.objectContaining({ name: A, action: 'keep', reason: "it holds notes.txt, which is not Lifeboat's" }),
    ]);
    for (const key of foreign) expect(await store.head(key)).toBeDefined();
  });

  it('touches no point that it can not read, or whose manifest is another one', async () => {
    const { store } = await subject.place();
    for (const id of [C, D]) await storePoint(store, id);
    await storePoint(store, A, { manifest: { id: D } });
    await store.put(manifestKey(addressOf(B)), Buffer.from('{'));
    const report = await retain(store, { rules: retentionRulesSchema.parse({ last: 1, minimumVerified: 1 }) });
    expect(deletedIds(report)).toEqual([C]);
    expect(reasonsFor(report, A)).toEqual([expect.stringContaining(`is that of mgmt-a/clusters/prod/${D}`)]);
    expect(reasonsFor(report, B)).toEqual(['its manifest or a proof cannot be read']);
    expect(await ids(store)).toEqual([A, B, D]);
  });

  it('keeps what is pinned while it runs', async () => {
    const { store } = await subject.place();
    for (const id of [A, B, C, D]) await storePoint(store, id);
    const report = await retain(store, {
      keepLock: atTheLastMoment(() => new Catalogue(store).pin(addressOf(A), true)),
    });
    expect(deletedIds(report)).toEqual([B]);
    expect(reasonsFor(report, A)).toEqual(['pinned']);
  });

  it('stops when it loses the lock, before the next deletion', async () => {
    const { store } = await subject.place();
    for (const id of [A, B, C, D]) await storePoint(store, id);
    let extensions = 0;
    const keepLock = () => {
      extensions += 1;
      return extensions <= 2 ? Promise.resolve() : Promise.reject(new LockedError('locked by restore-1'));
    };
    await expect(retain(store, { keepLock })).rejects.toThrow(LockedError);
    expect(await ids(store)).toEqual([B, C, D]);
  });

  it("goes by the store's time when its own clock is years ahead", async () => {
    const { store } = await subject.place();
    const now = new Date();
    const today = `${now.toISOString().replace(/[-:]|\.\d+/g, '')}-aaaa`;
    for (const id of [A, B, C]) await storePoint(store, id);
    // Neither a point that somebody has yet to look at nor a take that is under way.
    await storePoint(store, today, { verified: false, manifest: { takenAt: now.toISOString() } });
    await storeData(store, today.replace('aaaa', 'bbbb'));
    const report = await retain(store, { ahead: 3000 * DAY_MILLISECONDS });
    expect(deletedIds(report)).toEqual([A]);
    expect(report.leftovers).toMatchObject([{ action: 'keep', reason: 'written to in the last 24 hours' }]);
    expect(await ids(store)).toEqual([B, C, today]);
  });

  it('sweeps what died without a manifest, and what a deletion left behind that was cut short', async () => {
    const { store, countStored } = await subject.place();
    for (const id of [A, B]) await storePoint(store, id);
    await storeData(store, C);
    await new Catalogue(store).remove(addressOf(A));
    const proof = { kind: 'live', result: 'passed', takenAt: '2024-01-02T00:00:00.000Z', datastore: 'main' } as const;
    await store.put(proofKey(addressOf(D), { ...proof, detail: '' }, '0a1b2c3d'), Buffer.from('{}'));
    const orphan = (id: string) => ({ kind: 'orphan', name: id, action: 'sweep', reason: 'no manifest for a day' });
    const dryRun = await sweep(store, { keepLock: undefined });
    expect(dryRun).toEqual([A, C, D].map((id) => ({ ...orphan(id), swept: false })));
    expect(await sweep(store)).toEqual([A, C, D].map((id) => ({ ...orphan(id), swept: true })));
    expect(await Promise.all([A, C, D].map((id) => countStored(recoveryPointPrefix(addressOf(id)))))).toEqual([
      0, 0, 0,
    ]);
    expect(await ids(store)).toEqual([B]);
    expect(await sweep(store)).toEqual([]);
  });

  it('sweeps nothing that was written to in the last day, or is pinned', async () => {
    const { store } = await subject.place();
    for (const id of [A, B]) await storeData(store, id);
    await store.put(pinKey(addressOf(B)), Buffer.from('{}'));
    expect(await sweep(store, { now: new Date() })).toMatchObject([
      { name: A, action: 'keep', reason: 'written to in the last 24 hours' },
      { name: B, action: 'keep', reason: 'pinned' },
    ]);
    expect(await sweep(store)).toMatchObject([
      { name: A, swept: true },
      { name: B, swept: false },
    ]);
    expect(await listAll(store, recoveryPointPrefix(addressOf(B)))).toHaveLength(3);
  });

  it('sweeps no more in one run than its cap, and the rest in the next', async () => {
    const { store } = await subject.place();
    for (const id of [A, B, C]) await storeData(store, id);
    expect((await sweep(store, { cap: 2 })).map(({ action }) => action)).toEqual(['sweep', 'sweep', 'later']);
    expect(await sweep(store, { cap: 2 })).toMatchObject([{ name: C, swept: true }]);
  });

  it('discards unfinished uploads of a day ago, and no younger ones', async () => {
    const { store } = await subject.place();
    const begin = async (key: string) => {
      const upload = await store.beginUpload(key);
      await upload.write(patternedBytes(partSizeBytes() + 1));
      return upload;
    };
    const ours = await begin(`${recoveryPointPrefix(addressOf(A))}etcd-main.db.zst`);
    expect(await sweep(store, { now: new Date() })).toEqual([]);
    expect(await sweep(store, { keepLock: undefined })).toMatchObject([
      { kind: 'upload', action: 'sweep', swept: false },
    ]);
    expect(await Array.fromAsync(store.unfinishedUploads(ROOT))).toHaveLength(1);
    expect(await sweep(store)).toMatchObject([{ kind: 'upload', swept: true }]);
    expect(await Array.fromAsync(store.unfinishedUploads(''))).toEqual([]);
    await ours.abort();
  });
});

describe('retention over locked objects', () => {
  let s3: S3Access;
  let store: ObjectStore;
  let bucket: string;
  let bucketCount = 0;
  beforeAll(async () => {
    s3 = await openS3();
  }, 600_000);
  afterAll(() => s3.close());
  beforeEach(async () => {
    bucketCount += 1;
    bucket = `locks-${bucketCount}`;
    await s3.server.createBucket(bucket, { objectLock: true });
    store = storeAt(s3.server.endpoint, bucket);
  });

  const snapshotKey = (id: string) => `${recoveryPointPrefix(addressOf(id))}etcd-main.db.zst`;
  const object = (key: string) => ({ Bucket: bucket, Key: `some/prefix/${key}` });
  const inAnHour = () => new Date(Date.now() + 3_600_000);
  const hold = async (key: string, Status: 'ON' | 'OFF') => {
    await s3.client.send(new PutObjectLegalHoldCommand({ ...object(key), LegalHold: { Status } }));
  };

  it('keeps what is locked or held, all of it, with the reason, and takes the next ones instead', async () => {
    await storePoint(store, A, { retainUntil: inAnHour() });
    for (const id of [B, C, D, E, F]) await storePoint(store, id);
    await hold(snapshotKey(B), 'ON');
    const Retention = { Mode: 'GOVERNANCE', RetainUntilDate: inAnHour() } as const;
    await s3.client.send(new PutObjectRetentionCommand({ ...object(manifestKey(addressOf(C))), Retention }));
    const before = await listAll(store, ROOT);
    const check = (report: RetentionReport) => {
      expect(reasonsFor(report, A)).toEqual([expect.stringMatching(/^locked until \d{4}-/)]);
      expect(reasonsFor(report, B)).toEqual(['under a legal hold']);
      expect(reasonsFor(report, C)).toEqual([expect.stringMatching(/^locked until \d{4}-/)]);
    };
    check(await retain(store, { keepLock: undefined }));
    expect(await listAll(store, ROOT)).toEqual(before);
    const report = await retain(store);
    check(report);
    expect(deletedIds(report)).toEqual([D]);
    const again = await retain(store);
    check(again);
    expect(deletedIds(again)).toEqual([]);
    expect(await listAll(store, ROOT)).toEqual(before.filter(({ key }) => !key.includes(D)));
  });

  it('keeps the whole point when its manifest is locked at the last moment', async () => {
    for (const id of [A, B, C]) await storePoint(store, id);
    const report = await retain(store, { keepLock: atTheLastMoment(() => hold(manifestKey(addressOf(A)), 'ON')) });
    expect(deletedIds(report)).toEqual([]);
    expect(reasonsFor(report, A)).toEqual(['under a legal hold']);
    expect(await listAll(store, recoveryPointPrefix(addressOf(A)))).toHaveLength(3);
  });

  it('leaves data that is locked at the last moment to the sweep, which tells why until it may go', async () => {
    for (const id of [A, B, C]) await storePoint(store, id);
    expect(deletedIds(await retain(store, { keepLock: atTheLastMoment(() => hold(snapshotKey(A), 'ON')) }))).toEqual([
      A,
    ]);
    expect(await sweep(store)).toMatchObject([{ name: A, action: 'keep', reason: 'under a legal hold', swept: false }]);
    expect((await listAll(store, ROOT)).filter(({ key }) => key.includes(A))).toHaveLength(1);
    await hold(snapshotKey(A), 'OFF');
    expect(await sweep(store)).toMatchObject([{ name: A, swept: true }]);
  });

  it('keeps all of what a failed take has left behind while a part of it is locked', async () => {
    await storeData(store, A, { retainUntil: inAnHour() });
    expect(await sweep(store)).toMatchObject([
      { name: A, action: 'keep', reason: expect.stringMatching(/^locked until/) as unknown },
    ]);
    expect(await listAll(store, ROOT)).toHaveLength(2);
  });

  it('keeps the data of a point whose manifest others have deleted, so that it can be brought back', async () => {
    await storePoint(store, A);
    const { VersionId } = await s3.client.send(new DeleteObjectCommand(object(manifestKey(addressOf(A)))));
    expect(await ids(store)).toEqual([]);
    expect(await sweep(store)).toMatchObject([
      { name: A, action: 'keep', reason: expect.stringContaining('remove the delete marker') as unknown },
    ]);
    await s3.client.send(new DeleteObjectCommand({ ...object(manifestKey(addressOf(A))), VersionId }));
    expect(await ids(store)).toEqual([A]);
    expect(await listAll(store, recoveryPointPrefix(addressOf(A)))).toHaveLength(3);
  });

  it("discards no upload of others, nor another control plane's", async () => {
    const keys = [`${recoveryPointPrefix(addressOf(A))}video.mp4`, `${ROOT}archive.tar`, `${ROOT}x/etcd-main.db.zst`];
    keys.push(snapshotKey(A).replace('/prod/', '/prod-2/'), 'operations/1/input.json');
    for (const key of keys) await s3.client.send(new CreateMultipartUploadCommand(object(key)));
    expect(await sweep(store)).toEqual([]);
    const { Uploads } = await s3.client.send(new ListMultipartUploadsCommand({ Bucket: bucket }));
    expect(Uploads).toHaveLength(keys.length);
  });
});
