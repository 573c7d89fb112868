import { describe, expect, it } from '@jest/globals';
import { progressOf, type PodProgress } from '../../../lambdas/datastores/etcd/restore/pod-progress.ts';
import type { KubernetesObject } from '../../../lambdas/domain/kubernetes-object.ts';

const pod = (status: object, metadata: object = {}): KubernetesObject => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'lifeboat-x-prepare-etcd-0', ...metadata },
  status,
});
const ended = (name: string, exitCode: number, message?: string, reason = exitCode === 0 ? 'Completed' : 'Error') => ({
  name,
  state: { terminated: { exitCode, reason, ...(message === undefined ? {} : { message }) } },
});
const waiting = (name: string, reason: string, message?: string) => ({ name, state: { waiting: { reason, message } } });
const running = (name: string) => ({ name, state: { running: { startedAt: '2026-01-02T03:04:05Z' } } });
const unscheduled = (reason: string, message: string) => ({
  phase: 'Pending',
  conditions: [{ type: 'PodScheduled', status: 'False', reason, message }],
});

describe('the progress of a helper pod', () => {
  const cases: [name: string, status: object, progress: PodProgress][] = [
    ['just made', {}, { state: 'waiting', reason: 'for its node' }],
    [
      'whose image is being pulled',
      {
        phase: 'Pending',
        initContainerStatuses: [waiting('fetch', 'PodInitializing'), waiting('restore', 'PodInitializing')],
        containerStatuses: [waiting('finish', 'PodInitializing')],
      },
      { state: 'waiting', reason: 'for container fetch: PodInitializing' },
    ],
    [
      'in its first container',
      { phase: 'Pending', initContainerStatuses: [running('fetch'), waiting('restore', 'PodInitializing')] },
      { state: 'running', container: 'fetch' },
    ],
    [
      'between two containers',
      { phase: 'Pending', initContainerStatuses: [ended('fetch', 0), waiting('restore', 'PodInitializing')] },
      { state: 'waiting', reason: 'for container restore: PodInitializing' },
    ],
    [
      'in its last container',
      { phase: 'Running', initContainerStatuses: [ended('fetch', 0)], containerStatuses: [running('finish')] },
      { state: 'running', container: 'finish' },
    ],
    [
      'that has ended well',
      {
        phase: 'Succeeded',
        initContainerStatuses: [ended('fetch', 0, 'received')],
        containerStatuses: [ended('finish', 0, 'prepared: 20480 bytes\n')],
      },
      { state: 'succeeded', message: 'prepared: 20480 bytes' },
    ],
    [
      'that no node has room for',
      unscheduled('Unschedulable', '0/3 nodes are available: 1 Insufficient memory.'),
      {
        state: 'blocked',
        reason: 'Unschedulable: 0/3 nodes are available: 1 Insufficient memory.',
        cause: 'scheduling',
        container: null,
      },
    ],
    [
      'whose image can not be pulled',
      { phase: 'Pending', initContainerStatuses: [waiting('fetch', 'ErrImagePull', 'not found')] },
      { state: 'blocked', reason: 'container fetch: ErrImagePull: not found', cause: 'image', container: 'fetch' },
    ],
    [
      'whose second image is refused',
      {
        phase: 'Pending',
        initContainerStatuses: [ended('fetch', 0), waiting('restore', 'CreateContainerConfigError', 'runs as root')],
      },
      {
        state: 'blocked',
        reason: 'container restore: CreateContainerConfigError: runs as root',
        cause: 'configuration',
        container: 'restore',
      },
    ],
    [
      'whose container has ended badly, before its phase says so',
      {
        phase: 'Pending',
        initContainerStatuses: [ended('fetch', 11, '5 of 9 bytes arrived\n'), waiting('restore', 'PodInitializing')],
      },
      { state: 'failed', reason: 'container fetch ended with 11: 5 of 9 bytes arrived', exitCode: 11 },
    ],
    [
      'that needed too much memory',
      { phase: 'Failed', initContainerStatuses: [ended('restore', 137, undefined, 'OOMKilled')] },
      { state: 'failed', reason: 'container restore ended with 137 (OOMKilled)', exitCode: 137 },
    ],
    [
      'that took too long, although its container then ended badly as well',
      {
        phase: 'Failed',
        reason: 'DeadlineExceeded',
        message: 'Pod was active on the node longer than the specified deadline',
        initContainerStatuses: [ended('fetch', 137)],
      },
      {
        state: 'failed',
        reason: 'DeadlineExceeded: Pod was active on the node longer than the specified deadline',
        exitCode: null,
      },
    ],
    [
      'that was evicted',
      { phase: 'Failed', reason: 'Evicted', message: 'The node was low on resource: memory.' },
      { state: 'failed', reason: 'Evicted: The node was low on resource: memory.', exitCode: null },
    ],
    [
      'that was disrupted without a word of its own',
      {
        phase: 'Failed',
        conditions: [
          { type: 'DisruptionTarget', status: 'True', reason: 'DeletionByTaintManager', message: 'Taint manager' },
        ],
      },
      {
        state: 'failed',
        reason: 'the pod failed and does not say why: DeletionByTaintManager: Taint manager',
        exitCode: null,
      },
    ],
  ];
  it.each(cases)('of one %s', (_, status, progress) => {
    expect(progressOf(pod(status))).toEqual(progress);
  });

  it('of one that is being deleted is to wait for its end, unless it had done its work', () => {
    const deleted = { deletionTimestamp: '2026-01-02T03:04:05Z' };
    const evicted = {
      phase: 'Failed',
      conditions: [{ type: 'DisruptionTarget', status: 'True', reason: 'EvictionByEvictionAPI', message: 'drained' }],
      initContainerStatuses: [ended('fetch', 137)],
    };
    expect(progressOf(pod(evicted, deleted))).toEqual({
      state: 'waiting',
      reason: 'for its end, as it is being deleted: EvictionByEvictionAPI: drained',
    });
    expect(progressOf(pod({ phase: 'Succeeded', containerStatuses: [ended('finish', 0, 'done')] }, deleted))).toEqual({
      state: 'succeeded',
      message: 'done',
    });
  });

  it('quotes the end of what a container says, on one line, and 500 characters at most', () => {
    const log = `${'{"level":"info"}\n'.repeat(100)}Error: data-dir "/x" not empty\u0007\n`;
    const progress = progressOf(pod({ phase: 'Failed', initContainerStatuses: [ended('restore', 1, log)] }));
    const prefix = 'container restore ended with 1: ';
    expect(progress).toMatchObject({ state: 'failed', exitCode: 1 });
    const { reason = '' } = progress as { reason?: string };
    expect(reason.slice(0, prefix.length + 1)).toBe(`${prefix}…`);
    expect(reason).toMatch(/Error: data-dir "\/x" not empty$/);
    expect(reason.length - prefix.length).toBe(500);
    expect(reason).not.toMatch(/\p{Cc}/u);
  });
});
