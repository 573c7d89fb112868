import { beforeEach, describe, expect, it } from '@jest/globals';
import { GateError } from '../../../lambdas/domain/errors.ts';
import type { KubernetesObject } from '../../../lambdas/domain/kubernetes-object.ts';
import type { ClusterRunPorts } from '../../../lambdas/operations/ports.ts';
import { onVolumes } from '../../../lambdas/restores/strategies/swap-volumes/follow-pods.ts';
import type { OpenedRestore } from '../../../lambdas/restores/open-restore.ts';
import { containersOf, installedEtcd, OPERATION } from '../etcd-restore/installed-etcd.ts';

const NAMES = ['swap', 'back'].map((action) => `lifeboat-${OPERATION}-${action}-etcd-0`);
const [SWAP = '', BACK = ''] = NAMES;

/** The pods that the API server has, by their names; a test changes them as kubelet and others would. */
const pods = new Map<string, KubernetesObject>();
let created = 0;

const api = {
  get: ({ name }: { name: string }) => Promise.resolve(pods.get(name)),
  list: () => Promise.resolve([...pods.values()]),
  create: (pod: KubernetesObject) => {
    created += 1;
    const metadata = { ...pod.metadata, uid: `uid-${created}`, creationTimestamp: '2026-01-02T03:00:00Z' };
    pods.set(pod.metadata.name, { ...pod, metadata });
    return Promise.resolve();
  },
  delete: ({ name }: { name: string }) => {
    change(name, { metadata: { deletionTimestamp: '2026-01-02T03:00:05Z' } });
    return Promise.resolve();
  },
};

function change(name: string, { metadata, ...changes }: { metadata?: object; [field: string]: unknown }): void {
  const pod = pods.get(name);
  if (pod === undefined) throw new Error(`there is no pod ${name}`);
  pods.set(name, { ...pod, ...changes, metadata: { ...pod.metadata, ...metadata } });
}

function ended(name: string, exitCode: number, message = ''): void {
  const containerStatuses = [{ name: 'back', state: { terminated: { exitCode, message } } }];
  change(name, { status: { phase: exitCode === 0 ? 'Succeeded' : 'Failed', containerStatuses } });
}

function lookAt(action: 'swap' | 'back'): () => Promise<string | undefined> {
  const installation = installedEtcd(1);
  const restore = {
    cluster: { api },
    plan: { operation: OPERATION, target: { datastores: [installation] } },
    datastores: [{ installation }],
  } as unknown as OpenedRestore;
  const ports = { configuration: {}, clock: () => new Date('2026-01-02T03:00:10Z') } as unknown as ClusterRunPorts;
  return onVolumes(restore, { action }, ports);
}

/** What a pod that is there is told by a variable. */
function variable(name: string, of: string): unknown {
  const pod = pods.get(name);
  const [container] = pod === undefined ? [] : containersOf(pod);
  const env = (container?.['env'] ?? []) as readonly { readonly name: string; readonly value?: string }[];
  return env.find((one) => one.name === of)?.value;
}
const toldOver = (name: string) => variable(name, 'PODS_OVER');

beforeEach(() => {
  pods.clear();
  created = 0;
});

describe('the way back', () => {
  it('removes a swap pod that has not begun, and begins only when it is gone', async () => {
    await lookAt('swap')();
    change(SWAP, { spec: { nodeName: 'node-0' } });
    const look = lookAt('back');
    expect(await look()).toBe(`pod ${SWAP} is being deleted on node node-0`);
    expect(await look()).toBe(`pod ${SWAP} is being deleted since 2026-01-02T03:00:05Z on node node-0`);
    expect([...pods.keys()]).toEqual([SWAP]);
    pods.delete(SWAP);
    expect(await look()).toBe(`pod ${BACK} is being created`);
    expect(toldOver(BACK)).toBe('uid-1');
    ended(BACK, 0);
    expect(await look()).toBeUndefined();
  });

  it('removes a swap pod that has ended as well: its work is done no more', async () => {
    await lookAt('swap')();
    ended(SWAP, 0);
    expect(await lookAt('back')()).toMatch(`pod ${SWAP} is being deleted`);
  });
});

describe('a pod that finds another one at work on its volume', () => {
  const atWork = 'swap of pod lifeboat-x (uid uid-gone) has been at work in /var/lib/lifeboat-x for 12 s';

  it('is made again and told that the other one is over, once no pod of that uid is there', async () => {
    const look = lookAt('back');
    await look();
    ended(BACK, 13, atWork);
    expect(await look()).toContain(atWork);
    expect(await look()).toMatch(/as it is being deleted/);
    pods.delete(BACK);
    await look();
    expect(toldOver(BACK)).toBe('uid-gone');
  });

  it('is not made again before the other one is gone', async () => {
    const look = lookAt('back');
    await look();
    const metadata = { name: 'another', uid: 'uid-gone', namespace: 'clusters-prod' };
    pods.set('another', { apiVersion: 'v1', kind: 'Pod', metadata, status: { phase: 'Running' } });
    ended(BACK, 13, atWork);
    expect(await look()).toBe('pod another is being deleted');
    expect(await look()).toMatch(/^pod another is being deleted since/);
    pods.delete('another');
    expect(await look()).toContain(atWork);
  });

  it('is made again when it has come too late for the run that has made it', async () => {
    const look = lookAt('back');
    await look();
    expect(variable(BACK, 'NOT_AFTER')).toBe(String(Date.parse('2026-01-02T03:10:10Z') / 1000));
    ended(BACK, 14, 'back has come 7 s too late');
    expect(await look()).toMatch(/is made again: .*back has come 7 s too late$/);
    pods.delete(BACK);
    expect(await look()).toBe(`pod ${BACK} is being created`);
  });

  it('ends the step when it refuses', async () => {
    const look = lookAt('back');
    await look();
    ended(BACK, 10, 'an etcd still runs');
    await expect(look()).rejects.toThrow(GateError);
  });
});
