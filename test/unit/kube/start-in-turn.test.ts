import { expect, it } from '@jest/globals';
import type { KubeApi } from '../../../lambdas/kube/kube-api.ts';
import { startInTurn } from '../../../lambdas/kube/workloads.ts';

const WORKLOAD = { kind: 'StatefulSet', namespace: 'clusters-prod', name: 'etcd', replicas: 3 } as const;
const WAITING = { containerStatuses: [{ state: { waiting: { reason: 'ContainerCreating' } } }] };
const RUNNING = { containerStatuses: [{ state: { running: {} } }] };
const READY = { ...RUNNING, conditions: [{ type: 'Ready', status: 'True' }] };

/** What is asked for and waited for, of a StatefulSet with so many replicas and these pods. */
async function start(replicas: number, statuses: readonly object[]) {
  const scaledTo: number[] = [];
  const api = {
    get: () => Promise.resolve({ metadata: { name: 'etcd' }, spec: { replicas, selector: {} } }),
    list: () => Promise.resolve(statuses.map((status, index) => ({ metadata: { name: `etcd-${index}` }, status }))),
    scale: (_workload: unknown, wanted: number) => {
      scaledTo.push(wanted);
      return Promise.resolve();
    },
  };
  const waitsFor = await startInTurn(api as unknown as KubeApi, WORKLOAD);
  return { scaledTo, waitsFor };
}

it.each([
  ['the first of none', 0, [], [1], '0 pods of etcd are on their way to 1'],
  ['no other while the first does not run', 1, [{}], [], '0 of 1 pods of etcd are ready'],
  ['no other while its container is made', 1, [WAITING], [], '0 of 1 pods of etcd are ready'],
  ['the second when the first runs, though not ready', 1, [RUNNING], [2], '1 pods of etcd are on their way to 2'],
  ['the last when the others run', 2, [RUNNING, READY], [3], '2 pods of etcd are on their way to 3'],
  ['none when all are there', 3, [READY, RUNNING, READY], [], '2 of 3 pods of etcd are ready'],
  ['nothing when all are ready', 3, [READY, READY, READY], [], undefined],
  [
    'fewer when there are more than wanted',
    4,
    [READY, READY, READY, READY],
    [3],
    '4 pods of etcd are on their way to 3',
  ],
])('starts %s', async (_, replicas, statuses, scaledTo, waitsFor) => {
  expect(await start(replicas, statuses)).toEqual({ scaledTo, waitsFor });
});
