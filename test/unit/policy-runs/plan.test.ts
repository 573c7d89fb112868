import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { dismiss } from '../../../bin/commands/dismiss.ts';
import { configurationSchema } from '../../../lambdas/domain/configuration.ts';
import { parseControlPlaneName } from '../../../lambdas/domain/control-plane.ts';
import { ClusterUnreachableError, NotFoundError } from '../../../lambdas/domain/errors.ts';
import type { KubernetesObject } from '../../../lambdas/domain/kubernetes-object.ts';
import { DISMISSALS_KEY } from '../../../lambdas/domain/missing.ts';
import { runId, runResultSchema, type RunInput } from '../../../lambdas/domain/policy-run.ts';
import type { PolicyStatus } from '../../../lambdas/domain/policy-status.ts';
import type { Cluster } from '../../../lambdas/kube/cluster.ts';
import type { KubeApi } from '../../../lambdas/kube/kube-api.ts';
import type { ClusterRunPorts } from '../../../lambdas/operations/ports.ts';
import { planRun } from '../../../lambdas/policy-runs/plan.ts';
import { recordPage, reportRun } from '../../../lambdas/policy-runs/report.ts';
import { policyStatuses } from '../../../lambdas/policy-runs/status.ts';
import { readPlan } from '../../../lambdas/policy-runs/stored-plan.ts';
import { Catalogue } from '../../../lambdas/store/catalogue.ts';
import { DirectoryStore } from '../../../lambdas/store/directory-store.ts';
import { Journal } from '../../../lambdas/store/journal.ts';
import { Locks } from '../../../lambdas/store/locks.ts';
import { storePoint } from '../../contract/stored-points.ts';

const PROD = 'mgmt-a/clusters/prod';
const EDGE = 'mgmt-a/clusters/edge';
const FAR = 'mgmt-b/clusters/far';
const DAY_MILLISECONDS = 24 * 3_600_000;

/** HostedClusters with their labels by management cluster; null: it does not serve them; undefined: it does not answer. */
type Fleet = Readonly<Record<string, readonly (readonly [string, Record<string, string>?])[] | null | undefined>>;

let directory: string;
let store: DirectoryStore;
let fleet: Fleet;
/** When accounts end, by management cluster and purpose. */
let ends: Record<string, Date>;
let now: Date;
let ports: ClusterRunPorts;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'lifeboat-plan-'));
  store = new DirectoryStore(directory);
  now = new Date('2026-01-10T03:00:00Z');
  const clock = () => now;
  ports = {
    store,
    clock,
    catalogue: new Catalogue(store),
    locks: new Locks(store),
    journal: new Journal(store, 'backup'),
    configuration: configurationOf({ nightly: {} }),
    events: { publish: () => Promise.resolve() },
    connect,
    restoreCredentialsEndAt: (managementCluster) => Promise.resolve(ends[`${managementCluster} restore`] ?? null),
    now: () => performance.now(),
    random: Math.random,
    toolVersion: '0.0.0-test',
    report: () => undefined,
    signal: new AbortController().signal,
  };
  fleet = { 'mgmt-a': [['prod'], ['edge']], 'mgmt-b': [['far']] };
  ends = {};
});
afterEach(() => rm(directory, { recursive: true }));

function configurationOf(selects: Readonly<Record<string, object>>, managementClusters = ['mgmt-a', 'mgmt-b']) {
  const retention = { last: 2 };
  return configurationSchema.parse({
    store: directory,
    managementClusters: Object.fromEntries(managementClusters.map((name) => [name, { kubeconfig: 'unused' }])),
    policies: Object.fromEntries(
      Object.entries(selects).map(([name, select]) => [name, { select, schedule: '@daily', retention }]),
    ),
  });
}

function connect(managementCluster: string): Promise<Cluster> {
  const hostedClusters = fleet[managementCluster];
  const api: Pick<KubeApi, 'servesKind' | 'list'> = {
    servesKind: () =>
      hostedClusters === undefined
        ? Promise.reject(new ClusterUnreachableError(`${managementCluster} is away`))
        : Promise.resolve(hostedClusters !== null),
    list: (apiVersion, kind) =>
      Promise.resolve(
        (hostedClusters ?? []).map(([name, labels = {}]): KubernetesObject => ({
          apiVersion,
          kind,
          metadata: { namespace: 'clusters', name, uid: name, labels },
          spec: { pullSecret: { name: 'pull-secret' }, etcd: { managementType: 'Managed' } },
        })),
      ),
  };
  const cluster = {
    name: managementCluster,
    api: api as KubeApi,
    credentialsEndAt: ends[`${managementCluster} backup`] ?? null,
  };
  return Promise.resolve(cluster as unknown as Cluster);
}

async function runNextDay(policy = 'nightly'): Promise<void> {
  now = new Date(now.getTime() + DAY_MILLISECONDS);
  await run(policy);
}

/** Plans and reports a run, for the first time or again, with a verified point of everything that was found. */
async function run(policy = 'nightly'): Promise<void> {
  const input: RunInput = { policy, slot: now.toISOString() };
  await planRun(input, ports);
  const plan = await readPlan(runId(input), ports.journal);
  const id = `${now.toISOString().replace(/[-:]|\.\d+/g, '')}-aaaa`;
  const outcomes = [];
  const before = await ports.journal.read(runId(input), 'result', runResultSchema);
  const done = new Set(before?.outcomes.map(({ controlPlane }) => controlPlane));
  for (const { controlPlane } of plan.controlPlanes) {
    if (done.has(controlPlane)) continue;
    await storePoint(store, id, { controlPlane: parseControlPlaneName(controlPlane), manifest: { policy } });
    const verified = { outcome: 'verified', step: null, point: id, error: null, reason: null } as const;
    outcomes.push({ controlPlane, ...verified });
  }
  if (outcomes.length > 0) await recordPage({ runId: runId(input), page: 0, outcomes }, ports);
  await reportRun({ ...input, runId: runId(input) }, ports);
}

async function statusOf(policy = 'nightly'): Promise<PolicyStatus> {
  const status = (await policyStatuses(ports)).find((one) => one.policy === policy);
  if (status === undefined) throw new Error(`there is no policy ${policy}`);
  return status;
}

const problems = async (policy?: string) => (await statusOf(policy)).problems;
const dismissed = (name: string) => dismiss(ports, [name]);

describe('a policy is told to have a problem', () => {
  it('not while it finds all that it has found before', async () => {
    await runNextDay();
    expect(await problems()).toEqual([]);
    await runNextDay();
    expect(await problems()).toEqual([]);
  });

  it('when it selects nothing', async () => {
    ports = { ...ports, configuration: configurationOf({ nightly: { names: ['prdo'] } }) };
    await runNextDay();
    expect(await statusOf()).toMatchObject({ failing: true, problems: ['it selects no control plane'] });
  });

  it('when a control plane is gone, for as long as there are points of it', async () => {
    await runNextDay();
    fleet = { ...fleet, 'mgmt-a': [['prod']] };
    const gone = `${EDGE} is no longer backed up: its management cluster no longer has it`;
    for (let day = 0; day < 3; day += 1) {
      await runNextDay();
      expect(await problems()).toEqual([gone]);
    }
    for await (const { address } of ports.catalogue.points()) {
      if (address.controlPlane.name === 'edge') await ports.catalogue.remove(address);
    }
    await runNextDay();
    expect(await problems()).toEqual([]);
  });

  it('when a control plane is gone that was planned the day before and never backed up', async () => {
    await runNextDay();
    for await (const { address } of ports.catalogue.points()) await ports.catalogue.remove(address);
    fleet = { ...fleet, 'mgmt-b': [] };
    await runNextDay();
    expect(await problems()).toEqual([`${FAR} is no longer backed up: its management cluster no longer has it`]);
  });

  it('when a control plane is no longer selected because of its labels, but not when another policy backs it up', async () => {
    const select = { labels: { tier: 'gold' } };
    ports = { ...ports, configuration: configurationOf({ nightly: select }) };
    fleet = {
      'mgmt-a': [
        ['prod', { tier: 'gold' }],
        ['edge', { tier: 'gold' }],
      ],
      'mgmt-b': [],
    };
    await runNextDay();
    fleet = { 'mgmt-a': [['prod', { tier: 'gold' }], ['edge']], 'mgmt-b': [] };
    await runNextDay();
    expect(await problems()).toEqual([
      `${EDGE} is no longer backed up: the policy no longer selects it, and no other policy backs it up`,
    ]);
    ports = { ...ports, configuration: configurationOf({ nightly: select, weekly: {} }) };
    await runNextDay('weekly');
    await runNextDay();
    expect(await problems()).toEqual([]);
  });

  it('when a management cluster is no longer configured or served, each told once and not by control plane', async () => {
    await runNextDay();
    fleet = { ...fleet, 'mgmt-a': null };
    ports = { ...ports, configuration: configurationOf({ nightly: {} }, ['mgmt-a']) };
    await runNextDay();
    const all = [
      'it selects no control plane',
      'mgmt-a no longer serves the API of hypershift: 2 control planes are no longer backed up',
      `${FAR} is no longer backed up: its management cluster is no longer in the configuration`,
    ];
    expect(await problems()).toEqual(all);
    await runNextDay();
    expect(await problems()).toEqual(all);
    fleet = { 'mgmt-a': [['prod'], ['edge']] };
    await runNextDay();
    expect(await problems()).toEqual(all.slice(2));
  });

  it('but not of a management cluster that never served the platform', async () => {
    fleet = { 'mgmt-a': [['prod']], 'mgmt-b': null };
    await runNextDay();
    await runNextDay();
    expect(await problems()).toEqual([]);
  });

  it('that does not take a management cluster for empty which does not answer, and remembers what it served', async () => {
    await runNextDay();
    fleet = { 'mgmt-a': fleet['mgmt-a'], 'mgmt-b': undefined };
    await runNextDay();
    expect(await statusOf()).toMatchObject({ missing: [], unserved: [] });
    for await (const { address } of ports.catalogue.points()) {
      if (address.controlPlane.name === 'far') await ports.catalogue.remove(address);
    }
    fleet = { 'mgmt-a': fleet['mgmt-a'], 'mgmt-b': null };
    await runNextDay();
    expect(await problems()).toEqual([
      'mgmt-b no longer serves the API of hypershift: 1 control plane is no longer backed up',
    ]);
  });

  it('that goes on telling what was missing when its management cluster does not answer', async () => {
    await runNextDay();
    fleet = { 'mgmt-a': [['prod']], 'mgmt-b': null };
    await runNextDay();
    const { missing, unserved } = await statusOf();
    expect([missing.length, unserved.length]).toEqual([2, 1]);
    fleet = {};
    for (let day = 0; day < 2; day += 1) {
      await runNextDay();
      const { beyondObjective, ...status } = await statusOf();
      expect(status).toMatchObject({ missing, unserved });
      expect(beyondObjective.map(({ controlPlane }) => controlPlane)).toEqual(day === 0 ? [] : [PROD]);
    }
  });
});

describe('a management cluster that does not answer', () => {
  const beyond = async (policy?: string) =>
    (await statusOf(policy)).beyondObjective.map(({ controlPlane }) => controlPlane);

  beforeEach(async () => {
    await runNextDay();
    fleet = { 'mgmt-a': fleet['mgmt-a'], 'mgmt-b': undefined };
  });

  it('has control planes that grow older than the objective, for as long as it takes', async () => {
    await runNextDay();
    expect(await statusOf()).toMatchObject({ controlPlanes: 3, beyondObjective: [], oldestVerifiedAgeSeconds: 86_400 });
    for (let day = 0; day < 3; day += 1) {
      await runNextDay();
      expect(await beyond()).toEqual([FAR]);
    }
    fleet = { ...fleet, 'mgmt-b': [['far']] };
    await runNextDay();
    expect(await problems()).toEqual([]);
  });

  it('also those that were never backed up, and those whose recovery points are all that is known', async () => {
    const other = 'mgmt-b/clusters/other';
    await storePoint(store, '20260111T030000Z-bbbb', {
      controlPlane: parseControlPlaneName(other),
      manifest: { policy: 'nightly' },
    });
    for await (const { address } of ports.catalogue.points()) {
      if (address.controlPlane.name === 'far') await ports.catalogue.remove(address);
    }
    for (let day = 0; day < 2; day += 1) {
      await runNextDay();
      expect(await beyond()).toEqual(day === 0 ? [FAR] : [FAR, other]);
    }
  });

  it('is judged by every policy that selects its control planes, and by none that no longer does', async () => {
    ports = { ...ports, configuration: configurationOf({ nightly: {}, weekly: {} }) };
    fleet = { ...fleet, 'mgmt-b': [['far']] };
    await runNextDay('weekly');
    fleet = { ...fleet, 'mgmt-b': undefined };
    for (let day = 0; day < 2; day += 1) {
      await runNextDay();
      await runNextDay('weekly');
    }
    expect([await beyond(), await beyond('weekly')]).toEqual([[FAR], [FAR]]);
    ports = { ...ports, configuration: configurationOf({ nightly: { names: ['prod', 'edge'] } }) };
    await runNextDay();
    expect(await beyond()).toEqual([]);
  });

  it('is judged when the slot is run again, once for each control plane', async () => {
    await runNextDay();
    await run();
    expect(await statusOf()).toMatchObject({ controlPlanes: 3, oldestVerifiedAgeSeconds: 86_400, missing: [] });
    fleet = { ...fleet, 'mgmt-b': [['far']] };
    await run();
    expect(await statusOf()).toMatchObject({ controlPlanes: 3, problems: [] });
  });

  it('is no longer waited for when it is dismissed', async () => {
    for (let day = 0; day < 2; day += 1) await runNextDay();
    await dismissed('mgmt-b');
    expect(await beyond()).toEqual([]);
    await runNextDay();
    expect(await beyond()).toEqual([]);
  });
});

describe('accounts that end', () => {
  it('are told for backups and for restores, also when their management cluster does not answer because of it', async () => {
    ends = { 'mgmt-a restore': new Date('2026-01-20T00:00:00Z'), 'mgmt-b backup': new Date('2026-01-12T00:00:00Z') };
    const ending = ['the credentials of mgmt-a for restores end at 2026-01-20T00:00:00.000Z'];
    ending.push('the credentials of mgmt-b end at 2026-01-12T00:00:00.000Z');
    await runNextDay();
    expect(await problems()).toEqual(ending);
    fleet = { ...fleet, 'mgmt-b': undefined };
    await runNextDay();
    const { credentialsNearExpiry } = await statusOf();
    expect(credentialsNearExpiry).toHaveLength(2);
    ends = {};
    await runNextDay();
    expect(await statusOf()).toMatchObject({ credentialsNearExpiry: [] });
  });
});

describe('lifeboat dismiss', () => {
  it('ends what is told of a control plane at once, until it comes back and goes again', async () => {
    await runNextDay();
    fleet = { ...fleet, 'mgmt-a': [['prod']] };
    await runNextDay();
    expect(await problems()).toHaveLength(1);
    await dismissed(EDGE);
    expect(await problems()).toEqual([]);
    await runNextDay();
    expect(await problems()).toEqual([]);
    fleet = { ...fleet, 'mgmt-a': [['prod'], ['edge']] };
    await runNextDay();
    fleet = { ...fleet, 'mgmt-a': [['prod']] };
    await runNextDay();
    expect(await problems()).toHaveLength(1);
  });

  it('takes a whole management cluster', async () => {
    await runNextDay();
    fleet = { ...fleet, 'mgmt-a': null };
    await runNextDay();
    expect(await problems()).toHaveLength(1);
    await dismissed('mgmt-a');
    expect(await problems()).toEqual([]);
    await runNextDay();
    expect(await problems()).toEqual([]);
  });

  it('refuses a name of which nothing is known, for it would be a slip', async () => {
    await runNextDay();
    await expect(dismissed('mgmt-a/clusters/prdo')).rejects.toThrow(NotFoundError);
    await dismissed(PROD);
    expect(await problems()).toEqual([]);
  });

  it('keeps no night from its backups when the record of it is damaged', async () => {
    await store.put(DISMISSALS_KEY, Buffer.from('{'));
    await runNextDay();
    const input: RunInput = { policy: 'nightly', slot: now.toISOString() };
    const { outcomes } = (await ports.journal.read(runId(input), 'result', runResultSchema)) ?? {};
    expect(outcomes?.map(({ controlPlane, outcome }) => [controlPlane, outcome])).toContainEqual([PROD, 'verified']);
  });
});
