import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { controlPlaneLock } from '../../../lambdas/domain/operation.ts';
import { planRestoreStep } from '../../../lambdas/handlers/plan-restore.ts';
import { swapDataStep } from '../../../lambdas/handlers/swap-data.ts';
import {
  CONTROL_PLANE,
  fenceBegunAt,
  fencedAt,
  OPERATION,
  POINT,
  restoreOnPaper,
  type PaperRestore,
} from './restore-on-paper.ts';

const HOUR = 3_600_000;
const REQUEST = { operation: OPERATION, controlPlane: CONTROL_PLANE, point: POINT };
/** Killed after its safety recovery point, with etcd stopped and the exchange begun or not. */
const STOPPED = [
  'prepare-data',
  'fence-control-plane-waiting',
  'fence-control-plane',
  'take-safety-point',
  'stop-datastore-waiting',
  'stop-datastore',
];

const inTwentyFiveMinutes = () => new Date(Date.now() + 25 * 60_000).toISOString();

let restore: PaperRestore;

async function killed(hoursAgo: number, ...steps: string[]): Promise<void> {
  const at = new Date(Date.now() - hoursAgo * HOUR);
  restore = await restoreOnPaper(at);
  await restore.after([...STOPPED, ...steps], { ...fenceBegunAt(at), ...fencedAt(at) });
}

const goOn = () => planRestoreStep.run({ execution: 'e', request: REQUEST }, restore.ports);

afterEach(async () => {
  await restore.remove();
});

describe('a restore that was killed behind its fence', () => {
  it('goes on while the pause stands, the lock is its own and nothing runs', async () => {
    await killed(0.1, 'swap-data-waiting');
    restore.cluster.pausedUntil = inTwentyFiveMinutes();
    expect(await goOn()).toMatchObject({ operation: OPERATION, point: POINT });
    expect(restore.cluster.changes).toEqual([]);
  });

  it.each([
    [
      'its pause has ended',
      ['swap-data-waiting'],
      { pausedUntil: '2026-01-02T03:30:00Z' },
      /the pause of the reconcilers ended at 2026-01-02/,
    ],
    ['its pause is gone', [], { pausedUntil: null }, /the pause of the reconcilers is gone/],
    [
      'API servers run again',
      ['swap-data-waiting'],
      { pausedUntil: 'true', api: 1 },
      /Deployment clusters-prod\/kube-apiserver runs again/,
    ],
    [
      'etcd runs again in the middle of the exchange',
      ['swap-data-waiting'],
      { pausedUntil: 'true', etcd: 1 },
      /StatefulSet clusters-prod\/etcd runs again/,
    ],
    [
      'the way back was begun and its pause has ended',
      ['swap-data-waiting', 'stop-datastore-back-waiting'],
      { pausedUntil: null },
      /the pause of the reconcilers is gone/,
    ],
  ])(
    'is refused when %s, and touches nothing',
    async (
      _,
      steps,
      { pausedUntil, api = 0, etcd = 0 }: { pausedUntil: string | null; api?: number; etcd?: number },
      reason,
    ) => {
      await killed(48, ...steps);
      restore.cluster.pausedUntil = pausedUntil;
      Object.assign(restore.cluster.replicas, { 'kube-apiserver': api, etcd });
      await expect(goOn()).rejects.toMatchObject({
        name: 'RestoreRefusedError',
        message: expect.stringMatching(reason),
        remedy: expect.stringContaining(`lifeboat abandon ${OPERATION}`),
      });
      expect(restore.cluster.changes).toEqual([]);
    },
  );

  it('is refused when another operation had the lock since, by the name of that', async () => {
    await killed(1);
    restore.cluster.pausedUntil = 'true';
    const lock = await restore.locks.read(controlPlaneLock(CONTROL_PLANE));
    await restore.locks.release({ name: controlPlaneLock(CONTROL_PLANE), token: lock?.token ?? 0 });
    await restore.locks.acquire(controlPlaneLock(CONTROL_PLANE), 'restore-2', 'restores', HOUR);
    await expect(goOn()).rejects.toThrow(/operation restore-2 had the lock of the control plane since/);
  });

  it.each([
    ['served', ['swap-data-waiting', 'start-control-plane', 'finish-restore-waiting']],
    ['taken back', ['swap-data-waiting', 'swap-data-back', 'start-datastore-back', 'finish-restore-back-waiting']],
    ['started again on the way back', ['start-datastore-back', 'start-control-plane-back-waiting']],
  ])('goes on when it was %s and only its end is missing, although its pause is gone', async (_, steps) => {
    await killed(0.1, ...steps);
    Object.assign(restore.cluster.replicas, { 'kube-apiserver': 1, etcd: 1 });
    expect(await goOn()).toMatchObject({ way: 'forward' });
  });

  it('asks etcd for revision and hash where it still runs', async () => {
    const at = new Date();
    restore = await restoreOnPaper(at);
    await restore.after(['fence-control-plane-waiting', 'fence-control-plane', 'take-safety-point'], {
      ...fenceBegunAt(at),
      ...fencedAt(at),
    });
    restore.cluster.pausedUntil = 'true';
    restore.cluster.replicas['etcd'] = 1;
    await expect(goOn()).rejects.toThrow();
    expect(restore.cluster.changes).toEqual([]);
  });

  it('is not redriven into the exchange of the data once the pause has ended: nothing is moved', async () => {
    await killed(48, 'swap-data-waiting');
    restore.cluster.pausedUntil = '2026-01-02T03:30:00Z';
    await expect(swapDataStep.run(await restore.item('forward'), restore.ports)).rejects.toMatchObject({
      name: 'GateError',
    });
    expect(restore.cluster.changes.filter((change) => change.startsWith('create'))).toEqual([]);
  });
});

describe('the name of an operation that was used before', () => {
  beforeEach(async () => {
    restore = await restoreOnPaper(new Date());
  });

  it.each([
    ['another control plane', { controlPlane: 'mgmt-b/clusters/dev' }],
    ['another recovery point', { point: '20260103T030001Z-c3d4' }],
  ])('is refused for %s, and both are named', async (_, other) => {
    const request = { ...REQUEST, ...other };
    const named = new RegExp(`${CONTROL_PLANE} to ${POINT}.* ${request.controlPlane} to ${request.point}`);
    await expect(planRestoreStep.run({ execution: 'e', request }, restore.ports)).rejects.toMatchObject({
      name: 'RestoreRefusedError',
      message: expect.stringMatching(named),
    });
  });

  it('is delivered twice with the same plan', async () => {
    expect(await goOn()).toEqual(await goOn());
  });

  it('is refused once that restore has ended', async () => {
    await restore.after([], { result: { outcome: 'rolled-back' } });
    await expect(goOn()).rejects.toThrow(/restore restore-20260102t030405z-ab12 of mgmt-a\/clusters\/prod has ended/);
    await expect(swapDataStep.run(await restore.item('forward'), restore.ports)).rejects.toThrow(/has ended/);
    expect(restore.cluster.changes).toEqual([]);
  });

  it('is refused for a plan that nothing was done for in an hour', async () => {
    await restore.remove();
    restore = await restoreOnPaper(new Date(Date.now() - 2 * HOUR));
    await expect(goOn()).rejects.toThrow(/was planned at .* and never begun: the plan is too old/);
  });
});
