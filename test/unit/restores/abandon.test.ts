import { afterEach, describe, expect, it } from '@jest/globals';
import { planRestoreStep } from '../../../lambdas/handlers/plan-restore.ts';
import { prepareDataStep } from '../../../lambdas/handlers/prepare-data.ts';
import { finishRestoreStep } from '../../../lambdas/handlers/finish-restore.ts';
import { noteBegunPod } from '../../../lambdas/restores/strategies/swap-volumes/fed-pods.ts';
import { whyKept } from '../../../lambdas/restores/kept.ts';
import { recordPauseSet } from '../../../lambdas/control-planes/pause.ts';
import { readBreach } from '../../../lambdas/restores/records.ts';
import { reportRestore } from '../../../lambdas/restores/report.ts';
import {
  CONTROL_PLANE,
  fenceBegunAt,
  fencedAt,
  OPERATION,
  POINT,
  restoreOnPaper,
  type PaperRestore,
} from './restore-on-paper.ts';

const FENCED = ['prepare-data', 'fence-control-plane-waiting', 'fence-control-plane'];
const SWAPPING = [...FENCED, 'stop-datastore-waiting', 'stop-datastore', 'swap-data-waiting'];
const SERVED = [
  ...SWAPPING,
  'swap-data',
  'start-datastore-waiting',
  'start-control-plane-waiting',
  'start-control-plane',
];

let restore: PaperRestore;

async function killedAfter(
  steps: readonly string[],
  pausedUntil: string | null,
  documents: object = {},
): Promise<void> {
  const at = new Date();
  restore = await restoreOnPaper(at);
  const fence = steps.length === 0 ? {} : { ...fenceBegunAt(at), ...fencedAt(at) };
  await restore.after(steps, { ...fence, ...documents });
  restore.cluster.pausedUntil = pausedUntil;
}

const abandon = () => planRestoreStep.run({ execution: 'e', request: { abandon: OPERATION } }, restore.ports);
const safety = (verdict: string | null) => ({
  startedAt: '2026-01-02T03:04:05Z',
  doneAt: '2026-01-02T03:04:06Z',
  id: POINT,
  reason: null,
  verdict,
});

afterEach(async () => {
  await restore.remove();
});

describe('a restore that is abandoned', () => {
  it.each([
    ['leaves everything as it is', 'leave', 'was only prepared', [], null],
    ['starts what was stopped', 'start', 'had exchanged nothing', FENCED, 'true'],
    [
      'puts the old data back',
      'back',
      'was in the middle of the exchange and nobody can have written',
      SWAPPING,
      'true',
    ],
    [
      'leaves the data as they are',
      'leave',
      'was in the middle of the exchange and somebody may have written',
      SWAPPING,
      null,
    ],
    ['starts what was stopped', 'start', 'had put the old data back', [...SWAPPING, 'swap-data-back'], 'true'],
    ['leaves the restored data', 'leave', 'served already', SERVED, 'true'],
  ] as const)('%s (%s) when it %s', async (_, way, __, steps, pausedUntil) => {
    await killedAfter(steps, pausedUntil);
    expect(await abandon()).toEqual({
      operation: OPERATION,
      controlPlane: CONTROL_PLANE,
      platform: 'hypershift',
      point: POINT,
      planSha256: restore.planSha256,
      way,
      stage: steps.length === 0 ? 'unfenced' : 'fenced',
    });
    expect(restore.cluster.changes).toEqual([]);
  });

  it('keeps in mind why somebody may have written, whatever the pause is later', async () => {
    await killedAfter(SWAPPING, null);
    await abandon();
    restore.cluster.pausedUntil = 'true';
    expect(await readBreach(OPERATION, restore.ports)).toMatchObject({
      reason: 'the pause of the reconcilers is gone',
    });
    expect(await abandon()).toMatchObject({ way: 'leave' });
  });

  it('makes no pods to clear volumes on which none of its pods has run, e.g. because their image could not be pulled', async () => {
    await killedAfter([], null);
    await abandon();
    expect(await finishRestoreStep.run(await restore.item('back'), restore.ports)).toEqual({ done: true });
    expect(restore.cluster.changes).toEqual([]);
  });

  it('clears the volumes on which its pods have run', async () => {
    await killedAfter(['prepare-data-waiting'], null);
    await noteBegunPod(OPERATION, `lifeboat-${OPERATION}-prepare-etcd-0`, restore.ports);
    await abandon();
    await finishRestoreStep.run(await restore.item('back'), restore.ports);
    const clear = `lifeboat-${OPERATION}-clear-etcd-0`;
    expect(restore.cluster.changes).toEqual([`create ${clear}`, `delete ${clear}`]);
  });

  it('does nothing forward any more, whoever delivers a step late', async () => {
    await killedAfter([], null);
    await abandon();
    await expect(prepareDataStep.run(await restore.item('forward'), restore.ports)).rejects.toThrow(/was abandoned/);
  });

  it('leaves a pause alone that it has not set', async () => {
    await killedAfter(SWAPPING, 'true');
    await recordPauseSet(OPERATION, '2026-01-02T03:30:00Z', restore.ports);
    restore.cluster.pausedUntil = '2026-06-01T00:00:00Z';
    await restore.after([], { 'fence-broken': { at: '2026-01-02T03:31:00Z', reason: 'made up' } });
    await abandon();
    expect(await finishRestoreStep.run(await restore.item('back'), restore.ports)).toEqual({ done: true });
    expect([restore.cluster.pausedUntil, restore.cluster.changes]).toEqual(['2026-06-01T00:00:00Z', []]);
  });

  it('takes its own pause away, and reports how it left the data', async () => {
    await killedAfter(SWAPPING, '2026-01-02T03:30:00Z');
    await recordPauseSet(OPERATION, '2026-01-02T03:30:00Z', restore.ports);
    await abandon();
    await finishRestoreStep.run(await restore.item('back'), restore.ports);
    expect(restore.cluster.pausedUntil).toBeNull();
    const end = { operation: OPERATION, controlPlane: CONTROL_PLANE, platform: 'hypershift', point: POINT } as const;
    const { planSha256 } = restore;
    const failure = { step: 'Which way does it go?', error: 'Abandoned', reason: 'the restore was abandoned' };
    const result = await reportRestore(
      { ...end, planSha256, outcome: 'rolled-back', failure, failureOnTheWayBack: null },
      restore.ports,
    );
    expect(result).toMatchObject({
      outcome: 'abandoned',
      left: [
        expect.stringMatching(
          /^somebody may have written meanwhile: .*data-etcd-0 is still there, in \/var\/lib\/lifeboat-restore-20260102t030405z-ab12; remove/,
        ),
      ],
      state: [expect.stringContaining('are as they were found'), expect.any(String)],
    });
    await expect(abandon()).rejects.toThrow(/restore restore-20260102t030405z-ab12 has ended already \(abandoned\)/);
  });
});

describe('what a restore has put aside on the volumes', () => {
  it.each([
    ['verified', undefined],
    ['stored', `safety recovery point ${POINT} is not verified`],
    ['refused', `safety recovery point ${POINT} is refused`],
    [null, `safety recovery point ${POINT} is not verified`],
  ] as const)('stays after a restore unless its safety recovery point is verified: %s', async (verdict, why) => {
    await killedAfter(SERVED, 'true', { 'steps/take-safety-point': safety(verdict) });
    expect(await whyKept(OPERATION, 'forward', restore.ports)).toBe(why);
  });

  it('stays when the safety recovery point is of members without a leader: they may lack what the others acknowledged', async () => {
    await killedAfter(SERVED, 'true', { 'steps/take-safety-point': { ...safety('verified'), isComplete: false } });
    expect(await whyKept(OPERATION, 'forward', restore.ports)).toBe(
      `safety recovery point ${POINT} was taken of members without a leader and may lack the last writes`,
    );
  });

  it('goes after the old data were put back', async () => {
    await killedAfter([...SWAPPING, 'swap-data-back'], 'true');
    expect(await whyKept(OPERATION, 'back', restore.ports)).toBeUndefined();
  });

  it('stays after the old data were put back over what somebody may have written', async () => {
    await killedAfter([...SWAPPING, 'swap-data-back'], 'true', {
      'fence-broken': { at: '2026-01-02T03:04:05Z', reason: 'the pause of the reconcilers is gone' },
    });
    expect(await whyKept(OPERATION, 'back', restore.ports)).toBe(
      'somebody may have written meanwhile: the pause of the reconcilers is gone',
    );
  });
});
