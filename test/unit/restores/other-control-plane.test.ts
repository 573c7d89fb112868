import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { restoreResultSchema } from '../../../lambdas/domain/restore.ts';
import { fenceControlPlaneStep } from '../../../lambdas/handlers/fence-control-plane.ts';
import { finishRestoreStep } from '../../../lambdas/handlers/finish-restore.ts';
import { markControlPlaneStep } from '../../../lambdas/handlers/mark-control-plane.ts';
import { planRestoreStep } from '../../../lambdas/handlers/plan-restore.ts';
import { prepareDataStep } from '../../../lambdas/handlers/prepare-data.ts';
import { reportRestoreStep } from '../../../lambdas/handlers/report-restore.ts';
import { startControlPlaneStep } from '../../../lambdas/handlers/start-control-plane.ts';
import { startDatastoreStep } from '../../../lambdas/handlers/start-datastore.ts';
import { stopDatastoreStep } from '../../../lambdas/handlers/stop-datastore.ts';
import { swapDataStep } from '../../../lambdas/handlers/swap-data.ts';
import { takeSafetyPointStep } from '../../../lambdas/handlers/take-safety-point.ts';
import { whyOther } from '../../../lambdas/operations/mark.ts';
import {
  CONTROL_PLANE,
  fenceBegunAt,
  fencedAt,
  OPERATION,
  POINT,
  restoreOnPaper,
  type PaperRestore,
} from './restore-on-paper.ts';

/** A control plane that was deleted and made again since the plan, or one of that name in another management cluster. */
const OTHER = {
  name: 'GateError',
  message: `${CONTROL_PLANE} is another one than was planned: its uid was uid, and now it is another-uid`,
};
const SWAPPING = [
  'prepare-data',
  'fence-control-plane-waiting',
  'fence-control-plane',
  'stop-datastore-waiting',
  'stop-datastore',
  'swap-data-waiting',
];

let restore: PaperRestore;

beforeEach(async () => {
  restore = await restoreOnPaper(new Date());
  restore.cluster.uid = 'another-uid';
  Object.assign(restore.cluster.replicas, { 'kube-apiserver': 1, etcd: 1 });
});
afterEach(async () => {
  expect(restore.cluster.changes).toEqual([]);
  expect(restore.cluster.annotations).toEqual({});
  await restore.remove();
});

describe('a control plane that is another one than was planned', () => {
  it('is not marked', async () => {
    await expect(markControlPlaneStep.run(await restore.item('forward'), restore.ports)).rejects.toMatchObject(OTHER);
  });

  it.each([
    ['prepare', prepareDataStep, []],
    ['fence', fenceControlPlaneStep, []],
    ['take a safety point', takeSafetyPointStep, []],
    ['stop etcd', stopDatastoreStep, []],
    ['exchange data', swapDataStep, []],
    ['start etcd', startDatastoreStep, SWAPPING],
    ['start API servers', startControlPlaneStep, SWAPPING],
    ['finish', finishRestoreStep, SWAPPING],
  ])('is not touched by the step that is to %s', async (_, step, steps) => {
    await restore.after(steps);
    await expect(step.run(await restore.item('forward'), restore.ports)).rejects.toMatchObject(OTHER);
  });

  it.each([
    ['fence', fenceControlPlaneStep],
    ['stop etcd', stopDatastoreStep],
    ['put data back', swapDataStep],
    ['start etcd', startDatastoreStep],
    ['start API servers', startControlPlaneStep],
    ['finish', finishRestoreStep],
  ])('is not touched on the way back by the step that is to %s', async (_, step) => {
    await restore.after(SWAPPING);
    await expect(step.run(await restore.item('back'), restore.ports)).rejects.toMatchObject(OTHER);
  });
});

describe('a restore behind its fence whose control plane is another one now', () => {
  beforeEach(async () => {
    const at = new Date();
    await restore.after(SWAPPING, { ...fenceBegunAt(at), ...fencedAt(at) });
    restore.cluster.pausedUntil = 'true';
  });

  it('does not go on', async () => {
    const request = { operation: OPERATION, controlPlane: CONTROL_PLANE, point: POINT };
    await expect(planRestoreStep.run({ execution: 'e', request }, restore.ports)).rejects.toMatchObject({
      name: 'RestoreRefusedError',
      message: expect.stringContaining(OTHER.message),
    });
  });

  it('can be abandoned, to its end, without a change there', async () => {
    const request = { abandon: OPERATION };
    expect(await planRestoreStep.run({ execution: 'e', request }, restore.ports)).toMatchObject({ way: 'leave' });
    const item = await restore.item('back');
    await markControlPlaneStep.run(item, restore.ports);
    expect(await finishRestoreStep.run(item, restore.ports)).toEqual({ done: true });
    const { planSha256, controlPlane, platform } = item;
    const failure = { step: 'Which way does it go?', error: 'Abandoned', reason: 'the restore was abandoned' };
    const end = { operation: OPERATION, controlPlane, platform, point: POINT, planSha256, failure } as const;
    await reportRestoreStep.run({ ...end, outcome: 'rolled-back', failureOnTheWayBack: null }, restore.ports);
    const result = await restore.journal.read(OPERATION, 'result', restoreResultSchema);
    expect(result?.outcome).toBe('abandoned');
    expect([...(result?.left ?? []), ...(result?.state ?? [])].join()).toContain(OTHER.message);
  });
});

it('a control plane is not another one while nothing is there of its name', async () => {
  const gone = { get: () => Promise.resolve(undefined) };
  const ports = { ...restore.ports, connect: () => Promise.resolve({ api: gone }) };
  const planned = { controlPlane: CONTROL_PLANE, platform: 'hypershift', uid: 'uid' } as const;
  expect(await whyOther(planned, ports as never)).toBeUndefined();
});
