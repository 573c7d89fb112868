import { afterEach, describe, expect, it } from '@jest/globals';
import { loadMachine, runMachine } from '../../../bin/local/machine.ts';
import { RESTORE_STEPS } from '../../../bin/local/restore-machine.ts';
import { controlPlaneLock } from '../../../lambdas/domain/operation.ts';
import { ClusterUnreachableError } from '../../../lambdas/domain/errors.ts';
import { restoreResultSchema, type RestoreResult } from '../../../lambdas/domain/restore.ts';
import { markControlPlaneStep } from '../../../lambdas/handlers/mark-control-plane.ts';
import { readMark } from '../../../lambdas/operations/mark.ts';
import { judgeAbandonment } from '../../../lambdas/restores/abandon.ts';
import { CONTROL_PLANE, fencedAt, OPERATION, POINT, restoreOnPaper, type PaperRestore } from './restore-on-paper.ts';

const REQUEST = { operation: OPERATION, controlPlane: CONTROL_PLANE, point: POINT };
const EXCHANGED = [
  'prepare-data-waiting',
  'prepare-data',
  'fence-control-plane-waiting',
  'fence-control-plane',
  'take-safety-point',
  'stop-datastore-waiting',
  'stop-datastore',
  'swap-data-waiting',
  'swap-data',
  'start-datastore-waiting',
];

let restore: PaperRestore;

/** Killed in the middle of the exchange, under its own lock, mark and pause; its datastore did not serve before. */
async function killed(): Promise<void> {
  const at = new Date();
  restore = await restoreOnPaper(at, { outages: ['etcd-0 has no pod'] });
  const item = await restore.item('forward');
  await markControlPlaneStep.run(item, restore.ports);
  const nonce = (await readMark(item, restore.ports))?.nonce;
  restore.cluster.pausedUntil = 'true';
  const begun = { 'fence-begun': { at: at.toISOString(), token: item.lock.token, nonce } };
  await restore.after(EXCHANGED, { ...begun, ...fencedAt(at) });
}

interface MachineRun {
  readonly states: readonly string[];
  readonly error: unknown;
  readonly result: RestoreResult | undefined;
}

/** Runs the machine on the command line's steps; while it is in a state of that name the management cluster can't be reached. */
async function run(input: object, unreachableIn?: string): Promise<MachineRun> {
  const states: string[] = [];
  restore.cluster.before = () => {
    if (states.at(-1) === unreachableIn) throw new ClusterUnreachableError('the API server does not answer');
  };
  let error: unknown;
  try {
    await runMachine(loadMachine('restore-control-plane'), input, RESTORE_STEPS, () => restore.ports as never, {
      pauseMilliseconds: 1,
      onEvent: (event) => {
        if (event.type === 'StateEntered') states.push(event.state.name);
      },
    });
  } catch (caught) {
    error = caught;
  }
  return { states, error, result: await restore.journal.read(OPERATION, 'result', restoreResultSchema) };
}

afterEach(async () => {
  await restore.remove();
});

describe('a restore that goes on in the middle of the exchange', () => {
  it.each(['Fence the control plane', 'Stop the datastore'])(
    'puts the old data back when it fails at "%s": they are the only copy',
    async (state) => {
      await killed();
      const { states, result } = await run(REQUEST, state);
      expect(states).toContain('Put the old data back');
      expect(result).toMatchObject({ outcome: 'rolled-back', failure: { step: state } });
      const made = restore.cluster.made.map(({ metadata }) => metadata.name);
      expect(made).toContain(`lifeboat-${OPERATION}-back-etcd-0`);
    },
  );

  it('keeps its lock when it can not be marked for a moment, and goes on or is taken back later', async () => {
    await killed();
    const first = await run(REQUEST, 'Mark the control plane');
    expect(first.states.slice(-2)).toEqual(['Is the control plane restored?', 'Raise the first error']);
    expect(first.states).not.toContain('Release the control plane');
    expect(first.result).toBeUndefined();
    expect(await restore.locks.read(controlPlaneLock(CONTROL_PLANE))).toMatchObject({ owner: OPERATION });
    delete restore.cluster.before;
    expect(await judgeAbandonment(OPERATION, restore.ports)).toMatchObject({ way: 'back', breach: undefined });
    const second = await run({ abandon: OPERATION });
    expect(second.result).toMatchObject({ outcome: 'abandoned' });
    expect(second.states).toContain('Put the old data back');
  });
});
