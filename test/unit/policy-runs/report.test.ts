import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { configurationSchema } from '../../../lambdas/domain/configuration.ts';
import {
  describeCounts,
  describeStatus,
  lastRunKey,
  lastRunSchema,
  runId,
  runResultSchema,
  type Outcome,
} from '../../../lambdas/domain/policy-run.ts';
import { recordPage, reportRun } from '../../../lambdas/policy-runs/report.ts';
import { storedPlanSchema } from '../../../lambdas/policy-runs/stored-plan.ts';
import { Catalogue } from '../../../lambdas/store/catalogue.ts';
import { DirectoryStore } from '../../../lambdas/store/directory-store.ts';
import { Journal } from '../../../lambdas/store/journal.ts';
import { Locks } from '../../../lambdas/store/locks.ts';
import { readJson } from '../../../lambdas/store/stored-json.ts';

const PROD = 'mgmt-a/clusters/prod';
const EDGE = 'mgmt-a/clusters/edge';
const SLOT = '2026-01-02T03:00:00Z';

let directory: string;
let ports: Parameters<typeof reportRun>[1];
let now: Date;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'lifeboat-report-'));
  const store = new DirectoryStore(directory);
  now = new Date('2026-01-02T03:05:00Z');
  ports = {
    ...{ store, catalogue: new Catalogue(store), journal: new Journal(store, 'backup'), locks: new Locks(store) },
    clock: () => now,
    now: () => performance.now(),
    report: () => undefined,
    signal: new AbortController().signal,
    configuration: configurationSchema.parse({ store: directory, managementClusters: {} }),
    events: { publish: () => Promise.resolve() },
  };
});
afterEach(() => rm(directory, { recursive: true }));

const outcomeOf = (controlPlane: string, outcome: Outcome['outcome'], point: string | null = null): Outcome => {
  return { controlPlane, outcome, point, step: null, error: null, reason: null };
};

/** One attempt at a slot, as the machine makes it: its pages, then its report. */
async function attempt(slot: string, outcomes: readonly Outcome[]) {
  const run = { policy: 'nightly', slot, runId: runId({ policy: 'nightly', slot }) };
  const controlPlanes = outcomes.map(({ controlPlane }) => ({ controlPlane, platform: 'hypershift' as const }));
  const plan = storedPlanSchema.parse({ ...run, controlPlanes, unreachable: [], credentials: [] });
  await ports.journal.record(run.runId, 'plan', storedPlanSchema, plan);
  const counts = await recordPage({ runId: run.runId, page: 0, outcomes }, ports);
  const report = await reportRun(run, ports);
  return { counts, report, result: await ports.journal.read(run.runId, 'result', runResultSchema) };
}

const lastSlot = async () => (await readJson(ports.store, lastRunKey('nightly'), lastRunSchema)).slot;

describe('a slot that is run again', () => {
  it('tells its own result for what was skipped or failed before', async () => {
    await attempt(SLOT, [outcomeOf(PROD, 'skipped'), outcomeOf(EDGE, 'failed')]);
    now = new Date('2026-01-02T04:00:00Z');
    const again = await attempt(SLOT, [outcomeOf(PROD, 'verified', 'p'), outcomeOf(EDGE, 'failed')]);
    expect(again.counts).toEqual({ verified: 1, failed: 1, skipped: 0 });
    expect(again.report).toEqual({ status: 'partial', counts: again.counts });
    expect(again.result).toMatchObject({ finishedAt: now.toISOString(), counts: again.counts });
    const last = await readJson(ports.store, lastRunKey('nightly'), lastRunSchema);
    expect(last).toMatchObject({ slot: SLOT, counts: again.counts });
  });

  it('takes nothing back that was verified, and is the same result when nothing is new', async () => {
    const first = await attempt(SLOT, [outcomeOf(PROD, 'verified', 'p')]);
    now = new Date('2026-01-02T04:00:00Z');
    expect(await attempt(SLOT, [outcomeOf(PROD, 'skipped')])).toEqual(first);
  });
});

describe('the newest report of a policy', () => {
  it('is that of the newest slot, in whatever order they were run', async () => {
    now = new Date('2026-01-03T03:05:00Z');
    await attempt('2026-01-03T03:00:00Z', [outcomeOf(PROD, 'verified', 'p')]);
    await attempt(SLOT, [outcomeOf(PROD, 'failed')]);
    expect(await lastSlot()).toBe('2026-01-03T03:00:00Z');
    now = new Date('2026-01-04T03:05:00Z');
    await attempt('2026-01-04T03:00:00Z', [outcomeOf(PROD, 'verified', 'q')]);
    expect(await lastSlot()).toBe('2026-01-04T03:00:00Z');
  });

  it('takes the place of one that is damaged', async () => {
    await ports.store.put(lastRunKey('nightly'), Buffer.from('{'));
    await attempt(SLOT, [outcomeOf(PROD, 'verified', 'p')]);
    expect(await lastSlot()).toBe(SLOT);
  });

  it('goes by time, however the slot is written', async () => {
    await attempt('2026-01-02T03:00:00Z', [outcomeOf(PROD, 'verified', 'p')]);
    await attempt('2026-01-02T03:00:00.500Z', [outcomeOf(EDGE, 'verified', 'q')]);
    expect(await lastSlot()).toBe('2026-01-02T03:00:00.500Z');
  });

  it('is hidden by none of a slot in the future, which a former version let in', async () => {
    await attempt('2099-01-01T00:00:00Z', [outcomeOf(PROD, 'verified', 'p')]);
    await attempt(SLOT, [outcomeOf(PROD, 'verified', 'q')]);
    expect(await lastSlot()).toBe(SLOT);
  });
});

describe('a run in words', () => {
  it('is incomplete where control planes were skipped, and zeros are left out', () => {
    const counts = { verified: 0, failed: 0, skipped: 1 };
    expect(`${describeStatus({ status: 'succeeded', counts })}: ${describeCounts(counts)}`).toBe(
      'incomplete: 1 skipped',
    );
    const whole = { verified: 2, failed: 0, skipped: 0 };
    expect(`${describeStatus({ status: 'succeeded', counts: whole })}: ${describeCounts(whole)}`).toBe(
      'succeeded: 2 verified',
    );
    expect(describeCounts({ ...whole, verified: 0 })).toBe('no control planes');
  });
});
