import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import * as z from 'zod';
import { prune } from '../../../bin/commands/prune.ts';
import { EXIT } from '../../../bin/output/exit-codes.ts';
import { configurationSchema } from '../../../lambdas/domain/configuration.ts';
import { controlPlaneLock } from '../../../lambdas/domain/operation.ts';
import { retainedSchema } from '../../../lambdas/domain/policy-run.ts';
import { recoveryPointId, recoveryPointPrefix } from '../../../lambdas/domain/recovery-point.ts';
import { retainScheduled } from '../../../lambdas/policy-runs/retain.ts';
import { Catalogue } from '../../../lambdas/store/catalogue.ts';
import { DirectoryStore } from '../../../lambdas/store/directory-store.ts';
import { Journal } from '../../../lambdas/store/journal.ts';
import { Locks } from '../../../lambdas/store/locks.ts';
import { addressOf, storeData, storePoint } from '../../contract/stored-points.ts';

const CONTROL_PLANE = 'mgmt-a/clusters/prod';
const [A = '', B = '', C = '', D = ''] = [1, 2, 3, 4].map((day) => `2024010${day}T030000Z-aaaa`);

let directory: string;
let store: DirectoryStore;
let ports: Parameters<typeof prune>[0] & Parameters<typeof retainScheduled>[1];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'lifeboat-retain-'));
  store = new DirectoryStore(directory);
  const clock = () => new Date();
  ports = {
    store,
    clock,
    catalogue: new Catalogue(store),
    locks: new Locks(store),
    journal: new Journal(store, 'backup'),
    configuration: configurationSchema.parse({
      store: directory,
      managementClusters: {},
      policies: { nightly: { schedule: '@daily', retention: { last: 2, minimumVerified: 1 } } },
    }),
    now: () => performance.now(),
    random: Math.random,
    report: () => undefined,
    signal: new AbortController().signal,
  };
  for (const id of [A, B, C]) await storePoint(store, id);
  await storePoint(store, D, { manifest: { policy: 'weekly' } });
});
afterEach(() => rm(directory, { recursive: true }));

const ids = async () => (await Array.fromAsync(ports.catalogue.points())).map(({ address: { id } }) => id);

describe('retention in a run of a policy', () => {
  const run = async () => {
    const lock = await ports.locks.acquire(controlPlaneLock(CONTROL_PLANE), 'nightly-1', 'backs it up', 60_000);
    const item = { runId: 'nightly-1', policy: 'nightly', slot: '2026-01-01T03:00:00Z', controlPlane: CONTROL_PLANE };
    return await retainScheduled({ ...item, platform: 'hypershift', lock: { token: lock.token } }, ports);
  };

  it('counts what it kept and deleted, and deletes nothing more when it is delivered again', async () => {
    await storeData(store, A.replace('aaaa', 'bbbb'));
    const first = await run();
    expect(retainedSchema.parse(first)).toEqual(first);
    // The orphan is an old take's, and its files are young.
    const leftovers = { swept: 0, kept: 1, deferred: 0 };
    expect(first).toEqual({ kept: 3, deleted: 1, deferred: 0, leftovers });
    expect(await ids()).toEqual([B, C, D]);
    expect(await run()).toEqual({ kept: 3, deleted: 0, deferred: 0, leftovers });
    expect(await ids()).toEqual([B, C, D]);
  });
});

describe('safety points', () => {
  const OPERATION = 'restore-20240101t030000z-aaaa';
  const recorded = z.strictObject({ kind: z.string() });
  const safetyPoint = async (id: string, operation: string | null = OPERATION) =>
    storePoint(store, id, { manifest: { reason: 'safety', policy: null, operation } });
  const SAFETY = A.replace('aaaa', 'cccc');
  const decisionOn = async (id: string) => {
    const { json } = await prune(ports, 'nightly', { dryRun: false });
    return (json as { decisions: { id: string }[] }).decisions.find((decision) => decision.id === id);
  };

  it.each([
    ['', 'restore'],
    [' by a former version of Lifeboat', 'backup'],
  ] as const)('stay while their restore has no result, and go when it has one%s', async (_, purpose) => {
    await safetyPoint(SAFETY);
    const journal = new Journal(store, purpose);
    await journal.record(OPERATION, 'plan', recorded, { kind: 'restore' });
    const reasons = [`safety, and ${OPERATION} has not ended`];
    expect(await decisionOn(SAFETY)).toMatchObject({ action: 'keep', deleted: false, reasons });
    await journal.record(OPERATION, 'result', recorded, { kind: 'restore' });
    expect(await decisionOn(SAFETY)).toMatchObject({ action: 'delete', deleted: true });
    expect(await ids()).not.toContain(SAFETY);
  });

  it('go when nothing is left of the operation that took them', async () => {
    await safetyPoint(SAFETY);
    expect(await decisionOn(SAFETY)).toMatchObject({ action: 'delete', deleted: true });
  });

  it('stay for as long as the configuration says', async () => {
    const takenAt = new Date(ports.clock().getTime() - 20 * 24 * 3_600_000);
    const id = recoveryPointId(takenAt, Math.random);
    await safetyPoint(id, null);
    // The newest verified one stays anyway.
    await storePoint(store, recoveryPointId(ports.clock(), Math.random));
    const configuration = { ...ports.configuration, restore: { safetyGraceDays: 21 } };
    const kept = await prune({ ...ports, configuration }, 'nightly', { dryRun: false });
    expect(oneLine(kept.text)).toMatch(new RegExp(`${id} +keep .*safety, kept for 21 days`));
    expect(await decisionOn(id)).toMatchObject({ action: 'delete', deleted: true });
  });
});

/** A table as it would be on a terminal of any width. */
function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, ' ');
}

describe('lifeboat prune', () => {
  it('deletes under a lock of its own, gives it back, and tells the same as its dry run', async () => {
    const planned = await prune(ports, 'nightly', { dryRun: true });
    expect(oneLine(planned.text)).toMatch(new RegExp(`${A} +delete +no rule keeps it`));
    expect(oneLine(planned.text)).toMatch(new RegExp(`${D} +keep .*policy weekly decides on it`));
    expect(await ids()).toEqual([A, B, C, D]);
    expect(await store.head(`locks/${controlPlaneLock(CONTROL_PLANE)}.json`)).toBeUndefined();
    const done = await prune(ports, 'nightly', { dryRun: false });
    expect(done).toMatchObject({ exitCode: EXIT.done });
    expect(oneLine(done.text)).toMatch(new RegExp(`${A} +deleted +no rule keeps it`));
    expect(await ids()).toEqual([B, C, D]);
    expect(await store.head(`locks/${controlPlaneLock(CONTROL_PLANE)}.json`)).toBeDefined();
    const next = await ports.locks.acquire(controlPlaneLock(CONTROL_PLANE), 'restore-1', 'restores it', 60_000);
    expect(next.token).toBe(2);
  });

  it('leaves a control plane alone that an operation is using, and goes on with the others', async () => {
    const other = { ...addressOf(A), controlPlane: { ...addressOf(A).controlPlane, name: 'edge' } };
    for (const id of [A, B, C]) {
      const { manifest } = await ports.catalogue.find(id);
      const copy = { ...other, id };
      await store.put(`${recoveryPointPrefix(copy)}identity.json.zst`, Buffer.from('1'));
      await ports.catalogue.commit(copy, { ...manifest, controlPlane: 'mgmt-a/clusters/edge' });
    }
    await ports.locks.acquire(controlPlaneLock('mgmt-a/clusters/edge'), 'restore-1', 'restores it', 60_000);
    const { json, text, exitCode } = await prune(ports, 'nightly', { dryRun: false });
    expect(exitCode).toBe(EXIT.failed);
    expect(oneLine(text)).toMatch(/mgmt-a\/clusters\/edge +- +skipped .*restore-1 \(restores it\)/);
    expect(json).toMatchObject({ skipped: [{ controlPlane: 'mgmt-a/clusters/edge' }] });
    expect(await ids()).toEqual([A, B, C, B, C, D]);
  });

  it('shows what failed takes have left behind', async () => {
    await storeData(store, A.replace('aaaa', 'bbbb'));
    const { text } = await prune(ports, 'nightly', { dryRun: true });
    expect(oneLine(text)).toMatch(/20240101T030000Z-bbbb +keep +orphan: written to in the last 24 hours/);
  });
});
