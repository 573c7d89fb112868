import { expect, it } from '@jest/globals';
import { GateError } from '../../../lambdas/domain/errors.ts';
import type { KubeApi } from '../../../lambdas/kube/kube-api.ts';
import { followPod } from '../../../lambdas/restores/helper-pods.ts';

const POD = { apiVersion: 'v1', kind: 'Pod', metadata: { namespace: 'clusters-prod', name: 'lifeboat-1-swap-etcd-0' } };
const UNSCHEDULABLE = {
  conditions: [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message: 'no nodes available' }],
};
const RUNNING = { containerStatuses: [{ name: 'swap', state: { running: {} } }] };
const BETWEEN = {
  initContainerStatuses: [{ name: 'fetch', state: { terminated: { exitCode: 0 } } }],
  containerStatuses: [{ name: 'restore', state: { waiting: {} } }],
};

/** What is said of a pod of 03:00 at this time. */
async function followAt(time: string, status: object): Promise<string | undefined> {
  const metadata = { ...POD.metadata, creationTimestamp: '2026-01-02T03:00:00Z' };
  const api = { get: () => Promise.resolve({ ...POD, metadata, status }) };
  return await followPod(api as unknown as KubeApi, POD, { clock: () => new Date(`2026-01-02T${time}Z`) }, new Set());
}

it('waits for a pod that does not begin, and ends after ten minutes with what kubelet or scheduler say', async () => {
  expect(await followAt('03:10:00', UNSCHEDULABLE)).toBe(
    'pod lifeboat-1-swap-etcd-0 waits: Unschedulable: no nodes available',
  );
  const late = followAt('03:10:01', UNSCHEDULABLE);
  await expect(late).rejects.toThrow(GateError);
  await expect(late).rejects.toThrow(/has not begun for ten minutes: Unschedulable: no nodes available/);
  await expect(followAt('03:10:01', {})).rejects.toThrow(/has not begun for ten minutes: for its node/);
});

it('waits on for a pod that has begun, however long', async () => {
  expect(await followAt('03:59:00', RUNNING)).toBe('pod lifeboat-1-swap-etcd-0 runs swap');
  expect(await followAt('03:59:00', BETWEEN)).toBe('pod lifeboat-1-swap-etcd-0 waits: for container restore');
});
