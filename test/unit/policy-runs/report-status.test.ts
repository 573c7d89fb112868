import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import * as z from 'zod';
import { configurationSchema } from '../../../lambdas/domain/configuration.ts';
import { StoreUnavailableError } from '../../../lambdas/domain/errors.ts';
import type { MetricValues } from '../../../lambdas/domain/metrics.ts';
import { DISMISSALS_KEY } from '../../../lambdas/domain/missing.ts';
import { lastRunKey, lastRunSchema, runId, runResultSchema } from '../../../lambdas/domain/policy-run.ts';
import { reportStatus, type ReportStatusPorts } from '../../../lambdas/policy-runs/report-status.ts';
import { storedPlanSchema } from '../../../lambdas/policy-runs/stored-plan.ts';
import { Catalogue } from '../../../lambdas/store/catalogue.ts';
import { DirectoryStore } from '../../../lambdas/store/directory-store.ts';
import { Journal } from '../../../lambdas/store/journal.ts';
import { Locks } from '../../../lambdas/store/locks.ts';
import { encodeJson } from '../../../lambdas/store/stored-json.ts';

const PROD = 'mgmt-a/clusters/prod';
const SLOT = '2026-01-02T03:00:00Z';
const POLICIES = ['nightly', 'weekly'] as const;

let directory: string;
let store: DirectoryStore;
let ports: ReportStatusPorts;
let figures: Map<string, MetricValues>;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'lifeboat-report-status-'));
  store = new DirectoryStore(directory);
  figures = new Map();
  const policy = { schedule: '0 3 * * *', retention: { daily: 7 } };
  ports = {
    store,
    catalogue: new Catalogue(store),
    journal: new Journal(store, 'backup'),
    locks: new Locks(store),
    clock: () => new Date('2026-01-02T03:10:00Z'),
    configuration: configurationSchema.parse({
      store: directory,
      managementClusters: {},
      policies: { nightly: policy, weekly: policy },
    }),
    schedules: {
      async *list() {
        await Promise.resolve();
        for (const name of POLICIES) yield { name: `${name}-1`, enabled: true };
      },
    },
    scheduleGroup: 'lifeboat',
    metrics: {
      put: (of, values) => figures.set(of, values),
      putOfStack: (values) => figures.set('', values),
    },
  };
  for (const name of POLICIES) await recordRun(name);
});
afterEach(() => rm(directory, { recursive: true }));

/** A run that has verified one control plane. */
async function recordRun(policy: string): Promise<void> {
  const run = { policy, slot: SLOT, runId: runId({ policy, slot: SLOT }) };
  const plan = {
    ...run,
    controlPlanes: [{ controlPlane: PROD, platform: 'hypershift' }],
    unreachable: [],
    credentials: [],
  };
  await ports.journal.record(run.runId, 'plan', storedPlanSchema, storedPlanSchema.parse(plan));
  const counts = { verified: 1, failed: 0, skipped: 0 };
  const done = {
    ...run,
    finishedAt: '2026-01-02T03:05:00.000Z',
    status: 'succeeded' as const,
    counts,
    unreachable: [],
  };
  const outcome = { controlPlane: PROD, outcome: 'verified', point: '20260102T030001Z-aaaa' } as const;
  const outcomes = [{ ...outcome, step: null, error: null, reason: null }];
  await ports.journal.record(run.runId, 'result', runResultSchema, { ...done, outcomes });
  await store.put(lastRunKey(policy), encodeJson(lastRunSchema.parse(done)));
}

const outlivedLocks = async () => {
  figures.clear();
  await reportStatus({}, ports);
  return [...figures].map(([of, values]) => [of, values.outlivedLocks]);
};

describe('a restore that was begun and has died', () => {
  const recorded = z.looseObject({});
  let restores: Journal;

  beforeEach(() => {
    restores = new Journal(store, 'restore');
  });

  it('rings once for the stack, whether or not a policy backs its control plane up', async () => {
    expect(await outlivedLocks()).toEqual([
      ['nightly', 0],
      ['weekly', 0],
      ['', 0],
    ]);
    for (const [index, controlPlane] of [PROD, 'mgmt-b/clusters/far'].entries()) {
      const operation = `restore-${index}`;
      await restores.record(operation, 'plan', recorded, { controlPlane });
      await restores.record(operation, 'steps/prepare-data-waiting', recorded, {});
      expect(await outlivedLocks()).toEqual([
        ['nightly', 0],
        ['weekly', 0],
        ['', index + 1],
      ]);
    }
  });

  it('rings when its plan cannot be read, and hides no other', async () => {
    for (const operation of ['restore-0', 'restore-1']) {
      await restores.record(operation, 'plan', recorded, { controlPlane: PROD });
      await restores.record(operation, 'steps/prepare-data-waiting', recorded, {});
    }
    await store.put(restores.key('restore-0', 'plan'), Buffer.from('{'));
    const { unfinishedRestores } = await reportStatus({}, ports);
    expect(unfinishedRestores).toEqual([
      expect.stringMatching(/^restore restore-0 was begun .* and its plan cannot be read$/),
      expect.stringMatching(/^restore restore-1 of mgmt-a\/clusters\/prod was begun/),
    ]);
    expect(figures.get('')?.outlivedLocks).toBe(2);
  });
});

describe('a record that cannot be read', () => {
  const run = runId({ policy: 'weekly', slot: SLOT });

  it.each([
    ['last run', lastRunKey('weekly')],
    ['plan', `operations/${run}/plan.json`],
    ['result', `operations/${run}/result.json`],
  ])('makes its policy fail and silences no other: %s', async (_, key) => {
    await store.put(key, Buffer.from('{'));
    const { policies } = await reportStatus({}, ports);
    expect(policies).toMatchObject([
      { policy: 'nightly', readable: true, failing: false, problems: [] },
      { policy: 'weekly', readable: false, failing: true, problems: [expect.stringContaining(key)] },
    ]);
    expect(figures.get('nightly')).toMatchObject({ failing: 0, beyondObjective: 0 });
  });

  it('ends no alarm: all that is said of its policy is that it fails', async () => {
    await store.put(lastRunKey('weekly'), Buffer.from('{'));
    await reportStatus({}, ports);
    const told = Object.entries(figures.get('weekly') ?? {}).filter(([, value]) => value !== null);
    expect(told).toEqual([['failing', 1]]);
  });

  it('of what was dismissed makes every policy fail', async () => {
    await store.put(DISMISSALS_KEY, Buffer.from('{'));
    const { policies } = await reportStatus({}, ports);
    expect(policies.map(({ failing }) => failing)).toEqual([true, true]);
  });

  it('because the store does not answer fails the whole report, which is tried again', async () => {
    const away = new StoreUnavailableError('the store does not answer');
    ports = {
      ...ports,
      journal: new Journal(
        Object.assign(new DirectoryStore(directory), { head: () => Promise.reject(away) }),
        'backup',
      ),
    };
    await expect(reportStatus({}, ports)).rejects.toBe(away);
  });
});
