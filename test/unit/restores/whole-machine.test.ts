import { afterEach, describe, expect, it } from '@jest/globals';
import { loadMachine, runMachine } from '../../../bin/local/machine.ts';
import { RESTORE_STEPS } from '../../../bin/local/restore-machine.ts';
import { controlPlaneLock } from '../../../lambdas/domain/operation.ts';
import { ClusterUnreachableError } from '../../../lambdas/domain/errors.ts';
import { restoreResultSchema, type DatastorePlan, type RestoreResult } from '../../../lambdas/domain/restore.ts';
import { stagedKey } from '../../../lambdas/domain/staging.ts';
import { finishRestoreStep } from '../../../lambdas/handlers/finish-restore.ts';
import { markControlPlaneStep } from '../../../lambdas/handlers/mark-control-plane.ts';
import { planRestoreStep } from '../../../lambdas/handlers/plan-restore.ts';
import { readMark } from '../../../lambdas/operations/mark.ts';
import { recordPauseSet } from '../../../lambdas/control-planes/pause.ts';
import { judgeAbandonment } from '../../../lambdas/restores/abandon.ts';
import { noteStaged } from '../../../lambdas/restores/staging.ts';
import { CONTROL_PLANE, fencedAt, OPERATION, POINT, restoreOnPaper, type PaperRestore } from './restore-on-paper.ts';

const REQUEST = { operation: OPERATION, controlPlane: CONTROL_PLANE, point: POINT };
const FENCED = ['prepare-data-waiting', 'prepare-data', 'fence-control-plane-waiting', 'fence-control-plane'];
const SWAPPED = [...FENCED, 'stop-datastore-waiting', 'stop-datastore', 'swap-data-waiting', 'swap-data'];
const STARTING = [...SWAPPED, 'start-datastore-waiting'];
const STARTED = [...STARTING, 'start-datastore', 'start-control-plane-waiting'];
const SERVED = [...STARTED, 'start-control-plane'];
/** Where it did not serve before, no gate asks a datastore, and there is none on paper. */
const DID_NOT_SERVE = { outages: ['etcd-0 has no pod'] };
const UP = { 'kube-apiserver': 1, etcd: 1 };
const DOWN = { 'kube-apiserver': 0, etcd: 0 };

let restore: PaperRestore;

/** Killed after these steps, under its own lock, mark and pause, with a verified safety recovery point. */
async function killed(
  steps: readonly string[],
  replicas: Readonly<Record<string, number>>,
  datastore: Partial<DatastorePlan> = {},
): Promise<void> {
  const at = new Date();
  restore = await restoreOnPaper(at, datastore);
  const item = await restore.item('forward');
  await markControlPlaneStep.run(item, restore.ports);
  const nonce = (await readMark(item, restore.ports))?.nonce;
  const pause = new Date(at.getTime() + 29 * 60_000).toISOString();
  restore.cluster.pausedUntil = pause;
  await recordPauseSet(OPERATION, pause, restore.ports);
  Object.assign(restore.cluster.replicas, replicas);
  const safety = {
    startedAt: at.toISOString(),
    doneAt: at.toISOString(),
    id: POINT,
    reason: null,
    verdict: 'verified',
  };
  const begun = { 'fence-begun': { at: at.toISOString(), token: item.lock.token, nonce } };
  await restore.after(steps, { ...begun, ...fencedAt(at), 'steps/take-safety-point': safety });
}

interface MachineRun {
  readonly states: readonly string[];
  readonly error: unknown;
  readonly result: RestoreResult | undefined;
}

interface Disturbance {
  /** States in which the management cluster can't be reached. */
  readonly unreachableIn?: readonly string[];
  /** Steps that fail, by the names that the machine gives them. */
  readonly failing?: readonly string[];
}

/** Runs the machine on the command line's steps. */
async function run(input: object, { unreachableIn = [], failing = [] }: Disturbance = {}): Promise<MachineRun> {
  const states: string[] = [];
  restore.cluster.before = () => {
    if (unreachableIn.includes(states.at(-1) ?? ''))
      throw new ClusterUnreachableError('the API server does not answer');
  };
  const throttled = {
    run: () => Promise.reject(Object.assign(new Error('no function is free'), { name: 'Throttled' })),
  };
  const steps = { ...RESTORE_STEPS, ...Object.fromEntries(failing.map((name) => [name, throttled])) };
  let error: unknown;
  try {
    await runMachine(loadMachine('restore-control-plane'), input, steps, () => restore.ports as never, {
      pauseMilliseconds: 1,
      onEvent: (event) => {
        if (event.type === 'StateEntered') states.push(event.state.name);
      },
    });
  } catch (caught) {
    error = caught;
  }
  delete restore.cluster.before;
  return { states, error, result: await restore.journal.read(OPERATION, 'result', restoreResultSchema) };
}

const madePods = () => restore.cluster.made.map(({ metadata }) => metadata.name);
const pod = (action: string) => `lifeboat-${OPERATION}-${action}-etcd-0`;

afterEach(async () => {
  await restore.remove();
});

describe('a restore that goes on in the middle of the exchange', () => {
  it.each(['Fence the control plane', 'Stop the datastore'])(
    'puts the old data back when it fails at "%s": they may be the only copy',
    async (state) => {
      await killed(STARTING, DOWN, DID_NOT_SERVE);
      const { states, result } = await run(REQUEST, { unreachableIn: [state] });
      expect(states).toContain('Put the old data back');
      expect(result).toMatchObject({ outcome: 'rolled-back', failure: { step: state } });
      expect(madePods()).toContain(pod('back'));
    },
  );

  it.each([
    ['can not be marked', { unreachableIn: ['Mark the control plane'] }],
    ['can not be prepared', { failing: ['PrepareData'] }],
  ])('keeps lock and pause when it %s for a moment, and is rolled back or goes on later', async (_, disturbance) => {
    await killed(STARTING, DOWN, DID_NOT_SERVE);
    const pause = restore.cluster.pausedUntil;
    const first = await run(REQUEST, disturbance);
    expect(first.states.slice(-4)).toEqual([
      'Note that it may go on later',
      'Report the restore',
      'Is the control plane restored?',
      'Raise the first error',
    ]);
    expect(first.result).toBeUndefined();
    expect(restore.cluster.pausedUntil).toBe(pause);
    expect(await restore.locks.read(controlPlaneLock(CONTROL_PLANE))).toMatchObject({ owner: OPERATION });
    expect(await judgeAbandonment(OPERATION, restore.ports)).toMatchObject({ way: 'back', breach: undefined });
    const second = await run({ abandon: OPERATION });
    expect(second.result).toMatchObject({ outcome: 'abandoned', state: ['the data of before are back in place'] });
    expect(madePods()).toContain(pod('back'));
  });

  it('goes on when its way back was killed while the old datastore started', async () => {
    await killed([...SWAPPED, 'swap-data-back', 'start-datastore-back-waiting'], { etcd: 1 });
    expect(await planRestoreStep.run({ execution: 'e', request: REQUEST }, restore.ports)).toMatchObject({
      operation: OPERATION,
    });
  });
});

describe('an abandonment that was killed before its result', () => {
  /** Killed in its plan, or while "Leave the control plane as it was" has begun. */
  async function abandonKilled(isFinishBegun: boolean): Promise<string> {
    const { way } = await planRestoreStep.run({ execution: 'e', request: { abandon: OPERATION } }, restore.ports);
    if (!isFinishBegun) return way;
    const item = await restore.item('back');
    await markControlPlaneStep.run(item, restore.ports);
    let lists = 0;
    restore.cluster.before = (read) => {
      if (read === 'list Pod' && (lists += 1) > 1) throw new ClusterUnreachableError('killed here');
    };
    await expect(finishRestoreStep.run(item, restore.ports)).rejects.toThrow();
    delete restore.cluster.before;
    return way;
  }

  it.each([
    ['served', SERVED, false],
    ['served', SERVED, true],
    ['was being started', STARTED, true],
  ] as const)(
    'is not undone by whoever resumes the restore, which %s, and ends when it is repeated',
    async (...args) => {
      const [, steps, isFinishBegun] = args;
      await killed(steps, UP, DID_NOT_SERVE);
      expect(await abandonKilled(isFinishBegun)).toBe('leave');
      const resumed = await run(REQUEST);
      expect(resumed.states).toEqual(['Plan the restore']);
      expect(String(resumed.error)).toContain('was abandoned, and that has not ended');
      expect(restore.cluster.replicas).toEqual(UP);
      const repeated = await run({ abandon: OPERATION });
      expect(repeated.result).toMatchObject({ outcome: 'abandoned' });
      expect(restore.cluster.replicas).toEqual(UP);
      expect(madePods()).not.toContain(pod('back'));
    },
  );

  it('keeps its way: steps that are redriven on another one end and exchange nothing', async () => {
    await killed(SERVED, UP, DID_NOT_SERVE);
    expect(await abandonKilled(false)).toBe('leave');
    const item = await restore.item('back');
    for (const name of [
      'FenceControlPlane',
      'StopDatastore',
      'SwapData',
      'StartDatastore',
      'StartControlPlane',
    ] as const) {
      expect(await RESTORE_STEPS[name].run(item as never, restore.ports as never)).toEqual({ done: true });
    }
    expect(restore.cluster.replicas).toEqual(UP);
    expect(madePods()).toEqual([]);
  });
});

describe('an abandoned restore', () => {
  it('that had exchanged nothing ends nothing that was brought up since', async () => {
    await killed(FENCED, UP, DID_NOT_SERVE);
    restore.cluster.pausedUntil = null;
    const { result } = await run({ abandon: OPERATION });
    expect(result).toMatchObject({ outcome: 'abandoned' });
    expect(restore.cluster.replicas).toEqual(UP);
    expect(restore.cluster.changes.filter((change) => change.startsWith('scale'))).toEqual([]);
  });

  it('is closed although it can not be told whether somebody has written', async () => {
    await killed([...FENCED, 'stop-datastore-waiting'], { 'kube-apiserver': 0, etcd: 1 });
    // On paper etcd can't be asked.
    expect(await judgeAbandonment(OPERATION, restore.ports)).toMatchObject({
      way: 'leave',
      breach: expect.stringContaining("it can't be told whether somebody has written"),
    });
  });
});

describe('a clearing that can not reach the management cluster', () => {
  it('removes what was staged all the same', async () => {
    restore = await restoreOnPaper(new Date());
    const key = stagedKey(OPERATION, 'main');
    await noteStaged(OPERATION, [key], restore.journal);
    await restore.store.put(key, Buffer.from('a snapshot'), { ifAbsent: true });
    const { result } = await run(REQUEST, { unreachableIn: ['Prepare the data', 'Clear away what was prepared'] });
    expect(result).toMatchObject({ outcome: 'stuck' });
    expect(await restore.store.head(key)).toBeUndefined();
  });
});
