import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import * as z from 'zod';
import { discover } from '../../../bin/commands/discover.ts';
import { dismiss } from '../../../bin/commands/dismiss.ts';
import { status } from '../../../bin/commands/status.ts';
import { EXIT, exitCodeFor, exitCodeForName } from '../../../bin/output/exit-codes.ts';
import { configurationSchema } from '../../../lambdas/domain/configuration.ts';
import {
  ClusterUnreachableError,
  ConfigurationError,
  CorruptSnapshotError,
  IdentityIncompleteError,
  KubeconfigError,
} from '../../../lambdas/domain/errors.ts';
import type { KubernetesObject } from '../../../lambdas/domain/kubernetes-object.ts';
import { controlPlaneLock, operationLock } from '../../../lambdas/domain/operation.ts';
import { lastRunKey } from '../../../lambdas/domain/policy-run.ts';
import type { Cluster } from '../../../lambdas/kube/cluster.ts';
import { Catalogue } from '../../../lambdas/store/catalogue.ts';
import { DirectoryStore } from '../../../lambdas/store/directory-store.ts';
import { Journal } from '../../../lambdas/store/journal.ts';
import { Locks } from '../../../lambdas/store/locks.ts';
import { addressOf, storePoint } from '../../contract/stored-points.ts';

const PROD = 'mgmt-a/clusters/prod';
const POINT = '20260110T030000Z-aaaa';
const SAFETY = '20260110T031500Z-bbbb';
const NOW = new Date('2026-01-10T04:00:00Z');

let directory: string;
let store: DirectoryStore;
let ports: Parameters<typeof status>[0];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'lifeboat-status-'));
  store = new DirectoryStore(directory);
  ports = {
    store,
    catalogue: new Catalogue(store),
    journal: new Journal(store, 'backup'),
    locks: new Locks(store),
    clock: () => NOW,
    managementClusters: ['mgmt-a'],
    configuration: configurationSchema.parse({ store: directory, managementClusters: {} }),
    connect: () => Promise.resolve(clusterWith(['prod'])),
    restoreCredentialsEndAt: () => Promise.resolve(null),
    report: () => undefined,
  };
});
afterEach(() => rm(directory, { recursive: true }));

function clusterWith(names: readonly string[], credentialsEndAt: Date | null = null): Cluster {
  const hostedClusters = names.map((name): KubernetesObject => ({
    apiVersion: 'hypershift.openshift.io/v1beta1',
    kind: 'HostedCluster',
    metadata: { namespace: 'clusters', name, uid: name },
    spec: { etcd: { managementType: 'Managed' } },
  }));
  const api = { servesKind: () => Promise.resolve(true), list: () => Promise.resolve(hostedClusters) };
  return { name: 'mgmt-a', api, credentialsEndAt } as unknown as Cluster;
}

const unreachable = () => Promise.reject(new ClusterUnreachableError('mgmt-a does not answer'));

/** What is wrong, and the exit code, which must agree. */
async function problems(): Promise<readonly string[]> {
  const { json, text, exitCode } = await status(ports);
  const told = z.object({ problems: z.array(z.string()) }).parse(json).problems;
  for (const problem of told) expect(text).toContain(problem);
  expect(exitCode).toBe(told.length === 0 ? EXIT.done : EXIT.refused);
  return told;
}

describe('lifeboat status without any policy', () => {
  it('has nothing to say while every control plane has a verified recovery point', async () => {
    await storePoint(store, POINT);
    expect(await problems()).toEqual([]);
  });

  it('tells of a control plane that is gone, until it is dismissed', async () => {
    await storePoint(store, POINT);
    ports = { ...ports, connect: () => Promise.resolve(clusterWith([])) };
    expect(await problems()).toEqual([`${PROD} is no longer backed up: its management cluster no longer has it`]);
    await dismiss(ports, [PROD]);
    expect(await problems()).toEqual([]);
  });

  it('does not take a management cluster that does not answer for empty', async () => {
    ports = { ...ports, connect: unreachable };
    expect(await problems()).toEqual(['mgmt-a: error: mgmt-a does not answer']);
    expect((await status(ports)).text).not.toContain('no control planes');
    await storePoint(store, POINT);
    expect(await problems()).toHaveLength(1);
    expect((await status(ports)).text).toMatch(new RegExp(`${PROD} +unknown`));
  });

  it('does not count a safety point as a backup', async () => {
    await storePoint(store, SAFETY, { manifest: { reason: 'safety', policy: null } });
    expect(await problems()).toEqual([`${PROD} has no verified recovery point`]);
    await storePoint(store, POINT);
    const { json } = await status(ports);
    expect(json).toMatchObject({
      controlPlanes: [{ recoveryPoints: 1, notVerified: 0, safetyPoints: 1, newestVerified: { id: POINT } }],
    });
  });

  it('tells of refused points, and which of them are safety points', async () => {
    await storePoint(store, POINT);
    const older = '20260109T030000Z-aaaa';
    await storePoint(store, older);
    await storePoint(store, SAFETY, { manifest: { reason: 'safety', policy: null } });
    const proof = { kind: 'structure', result: 'refused', datastore: 'main', detail: 'page 3 is torn' } as const;
    for (const id of [older, SAFETY])
      await ports.catalogue.append(addressOf(id), { ...proof, takenAt: NOW.toISOString() });
    expect(await problems()).toEqual([
      `recovery point ${PROD}/${older} is refused, nobody can restore from it: page 3 is torn`,
      `safety point ${PROD}/${SAFETY} is refused, nobody can restore from it: page 3 is torn`,
    ]);
  });

  it('tells of credentials that end within 14 days', async () => {
    await storePoint(store, POINT);
    const endAt = new Date('2026-01-20T00:00:00Z');
    ports = { ...ports, connect: () => Promise.resolve(clusterWith(['prod'], endAt)) };
    expect(await problems()).toEqual(['the credentials of mgmt-a end at 2026-01-20T00:00:00.000Z']);
    ports = { ...ports, restoreCredentialsEndAt: () => Promise.resolve(new Date('2026-01-21T00:00:00Z')) };
    expect(await problems()).toEqual([
      'the credentials of mgmt-a end at 2026-01-20T00:00:00.000Z',
      'the credentials of mgmt-a for restores end at 2026-01-21T00:00:00.000Z',
    ]);
  });

  it('claims nothing of an account for restores that cannot be read here', async () => {
    await storePoint(store, POINT);
    const notes: string[] = [];
    ports = {
      ...ports,
      restoreCredentialsEndAt: () => Promise.reject(new ConfigurationError('kubeconfig of restores is not here')),
      report: (progress) => notes.push(JSON.stringify(progress)),
    };
    expect(await problems()).toEqual([]);
    expect(notes.join()).toContain('kubeconfig of restores is not here');
  });
});

it('a policy whose last run cannot be read is a problem, and hides no other', async () => {
  await storePoint(store, POINT);
  const policy = { schedule: '@daily', retention: { last: 2 } };
  const policies = { nightly: policy, weekly: policy };
  const configuration = configurationSchema.parse({ store: directory, managementClusters: {}, policies });
  ports = { ...ports, configuration };
  await store.put(lastRunKey('nightly'), Buffer.from('{'));
  expect(await problems()).toEqual([
    expect.stringMatching(/^policy nightly: it cannot be judged: policies\/nightly\/last-run\.json in .* is not JSON$/),
    'policy weekly: it has never been run to its end',
  ]);
  expect((await status(ports)).text).toMatch(/nightly +unreadable/);
});

describe('a restore', () => {
  const recorded = z.looseObject({});
  const OPERATION = 'restore-1';
  let journal: Journal;

  beforeEach(async () => {
    await storePoint(store, POINT);
    journal = new Journal(store, 'restore');
    await journal.record(OPERATION, 'plan', recorded, { controlPlane: PROD });
  });

  it('that has touched nothing is no problem', async () => {
    expect(await problems()).toEqual([]);
  });

  it('that was begun and is not ended is one at once, with what to do, unless somebody works on it', async () => {
    await journal.record(OPERATION, 'steps/prepare-data-waiting', recorded, {});
    expect(await problems()).toEqual([
      expect.stringMatching(
        new RegExp(
          `^restore ${OPERATION} of ${PROD} was begun at .*Z and has not ended: lifeboat restore ${PROD} --resume ${OPERATION}, or lifeboat abandon ${OPERATION}$`,
        ),
      ),
    ]);
    const byExecution = await ports.locks.acquire(controlPlaneLock(PROD), OPERATION, 'restores it', 600_000);
    expect(await problems()).toEqual([]);
    const byProcess = await ports.locks.acquire(operationLock(OPERATION), 'process 1', 'works on it', 600_000);
    expect(await problems()).toEqual([]);
    await ports.locks.release(byProcess);
    // Left by its process, with the control plane's lock: the API may be away.
    expect(await problems()).toHaveLength(1);
    await ports.locks.release(byExecution);
    await journal.record(OPERATION, 'result', recorded, { outcome: 'restored' });
    expect(await problems()).toEqual([]);
  });
});

it('discover does not say that there are no control planes where nothing answered', async () => {
  const { text, exitCode } = await discover({ ...ports, connect: unreachable } as unknown as Parameters<
    typeof discover
  >[0]);
  expect(text).not.toMatch(/^no control planes$/m);
  expect(exitCode).toBe(EXIT.failed);
});

it('a run has the exit code that a backup has for the same cause', () => {
  for (const error of [
    new ClusterUnreachableError(''),
    new IdentityIncompleteError(''),
    new KubeconfigError(''),
    new CorruptSnapshotError(''),
    new TypeError(''),
  ]) {
    expect([error.name, exitCodeForName(error.name)]).toEqual([error.name, exitCodeFor(error)]);
  }
  expect(exitCodeForName('States.Timeout')).toBe(EXIT.failed);
});
