import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { GateError } from '../../../lambdas/domain/errors.ts';
import { DirectoryStore } from '../../../lambdas/store/directory-store.ts';
import { Journal } from '../../../lambdas/store/journal.ts';
import type { KubeApi } from '../../../lambdas/kube/kube-api.ts';
import { followedPods, followPod } from '../../../lambdas/restores/strategies/swap-volumes/follow-pods.ts';

const POD = { apiVersion: 'v1', kind: 'Pod', metadata: { namespace: 'clusters-prod', name: 'lifeboat-1-swap-etcd-0' } };
const UNSCHEDULABLE = {
  conditions: [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message: 'no nodes available' }],
};
const RUNNING = { containerStatuses: [{ name: 'swap', state: { running: {} } }] };
const BETWEEN = {
  initContainerStatuses: [{ name: 'fetch', state: { terminated: { exitCode: 0 } } }],
  containerStatuses: [{ name: 'restore', state: { waiting: {} } }],
};

let directory: string;
let deleted: string[];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'lifeboat-follow-pod-'));
  deleted = [];
});
afterEach(async () => {
  await rm(directory, { recursive: true });
});

/** What is said of a pod of 03:00 at this time, by a call that knows nothing of the one before. */
async function followAt(
  time: string,
  status: object,
  { step = 'swap', madeAs = 'now' } = {},
): Promise<string | undefined> {
  const wanted = {
    ...POD,
    metadata: {
      ...POD.metadata,
      labels: { 'lifeboat.io/operation': 'restore-1', 'lifeboat.io/step': step },
      annotations: { 'lifeboat.io/made-as': 'now' },
    },
  };
  const found = {
    ...wanted,
    metadata: {
      ...wanted.metadata,
      uid: 'uid-1',
      creationTimestamp: '2026-01-02T03:00:00Z',
      annotations: { 'lifeboat.io/made-as': madeAs },
    },
    spec: {
      containers: [
        { name: 'swap', image: 'curlimages/curl:8' },
        { name: 'restore', image: 'etcd:3.6.5' },
      ],
    },
    status,
  };
  const api = {
    get: () => Promise.resolve(found),
    delete: ({ name }: { name: string }) => Promise.resolve(deleted.push(name)),
  };
  const ports = {
    clock: () => new Date(`2026-01-02T${time}Z`),
    journal: new Journal(new DirectoryStore(directory), 'restore'),
  };
  return await followPod(api as unknown as KubeApi, wanted, ports, followedPods());
}

it('waits for a pod that does not begin, and ends after ten minutes with what kubelet says', async () => {
  expect(await followAt('03:10:00', {})).toBe('pod lifeboat-1-swap-etcd-0 waits: for its node');
  const late = followAt('03:10:01', {});
  await expect(late).rejects.toThrow(GateError);
  await expect(late).rejects.toThrow(/has not begun for ten minutes: for its node/);
});

describe('a pod that can not begin until somebody does something', () => {
  const waitingFor = (reason: string, name = 'swap') => ({
    containerStatuses: [{ name, state: { waiting: { reason, message: 'what kubelet says' } } }],
  });

  it.each(['ErrImagePull', 'ImagePullBackOff', 'ErrImageNeverPull', 'InvalidImageName', 'CreateContainerConfigError'])(
    'is waited for a minute, over several calls, then ends the step with the setting to change: %s',
    async (reason) => {
      const told = `pod lifeboat-1-swap-etcd-0 waits: container swap: ${reason}: what kubelet says`;
      expect(await followAt('03:05:00', waitingFor(reason))).toBe(told);
      expect(await followAt('03:05:59', waitingFor(reason))).toBe(told);
      await expect(followAt('03:06:00', waitingFor(reason))).rejects.toMatchObject({
        name: 'GateError',
        message: `pod lifeboat-1-swap-etcd-0 in namespace clusters-prod can't begin: container swap: ${reason}: what kubelet says (image curlimages/curl:8)`,
        remedy: expect.stringContaining('restore.helperImage'),
      });
    },
  );

  it("does not blame the helper image for etcd's own", async () => {
    await followAt('03:05:00', waitingFor('ErrImagePull', 'restore'));
    await expect(followAt('03:06:00', waitingFor('ErrImagePull', 'restore'))).rejects.toMatchObject({
      message: expect.stringContaining('(image etcd:3.6.5)'),
      remedy: expect.not.stringContaining('helperImage'),
    });
  });

  it('ends the step with what the scheduler says, but not the way back: a node may get room', async () => {
    await followAt('03:00:00', UNSCHEDULABLE);
    await expect(followAt('03:01:00', UNSCHEDULABLE)).rejects.toThrow(
      "pod lifeboat-1-swap-etcd-0 in namespace clusters-prod can't begin: Unschedulable: no nodes available",
    );
    expect(await followAt('03:01:00', UNSCHEDULABLE, { step: 'back' })).toMatch(/waits: Unschedulable/);
  });

  it('is waited for as long as any other where it may pass by itself', async () => {
    await followAt('03:05:00', waitingFor('RunContainerError'));
    expect(await followAt('03:06:00', waitingFor('RunContainerError'))).toMatch(/RunContainerError/);
  });
});

describe('a pod that was made for another configuration', () => {
  it.each([
    ['can not begin', UNSCHEDULABLE],
    ['runs', RUNNING],
    ['has failed', { phase: 'Failed' }],
  ])('is removed, to be made again, when it %s', async (_, status) => {
    expect(await followAt('03:00:10', status, { madeAs: 'before' })).toBe(
      'pod lifeboat-1-swap-etcd-0 was made for another configuration and is made again',
    );
    expect(deleted).toEqual(['lifeboat-1-swap-etcd-0']);
  });

  it('has done its work when it has ended well', async () => {
    expect(await followAt('03:00:10', { phase: 'Succeeded' }, { madeAs: 'before' })).toBeUndefined();
    expect(deleted).toEqual([]);
  });
});

it('waits on for a pod that has begun, however long', async () => {
  expect(await followAt('03:59:00', RUNNING)).toBe('pod lifeboat-1-swap-etcd-0 runs swap');
  expect(await followAt('03:59:00', BETWEEN)).toBe('pod lifeboat-1-swap-etcd-0 waits: for container restore');
});
