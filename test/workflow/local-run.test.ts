import { describe, expect, it } from '@jest/globals';
import { runMachine, type Machine, type Steps } from '../../bin/local/machine.ts';
import { TunnelError } from '../../lambdas/domain/errors.ts';

const task = { Type: 'Task', Resource: '${WorkFunctionArn}', TimeoutSeconds: 60, End: true };

function machineOf(first: object, more: object = {}): Machine {
  return { StartAt: 'First', States: { First: first, ...more } } as unknown as Machine;
}

/** Runs with one step; gives what the machine was told of states that were left, and its error. */
async function run(machine: Machine, work: Steps<AbortSignal>[string]['run'], signal?: AbortSignal) {
  const outputs: unknown[] = [];
  const error = await runMachine(machine, { id: 1 }, { Work: { run: work } }, (_, late) => late, {
    pauseMilliseconds: 0,
    ...(signal !== undefined && { signal }),
    onEvent(event) {
      if (event.type === 'StateExited') outputs.push(event.state.output);
    },
  }).then(
    () => undefined,
    (failure: unknown) => failure,
  );
  return { outputs, error };
}

describe('a machine that is run here', () => {
  it.each([
    [undefined, null],
    [new Date(0), '1970-01-01T00:00:00.000Z'],
    [{ kept: 1, left: undefined }, { kept: 1 }],
  ])('goes on with %j as JSON, as it would in AWS', async (answer, json) => {
    expect(await run(machineOf(task), () => Promise.resolve(answer))).toEqual({ outputs: [json], error: undefined });
  });

  it('ends with the very error of the step, also from inside of a Map', async () => {
    const failure = new TunnelError('cut', { remedy: 'Try again.' });
    const inMap = { Type: 'Map', ItemsPath: '$.ids', ItemProcessor: machineOf(task), End: true };
    const machine = machineOf({ Type: 'Pass', Result: { ids: [1] }, Next: 'Each' }, { Each: inMap });
    const { error } = await run(machine, () => Promise.reject(failure));
    expect(error).toBe(failure);
  });

  it('ends with the error of a Fail state, even if a step failed before', async () => {
    const Catch = [{ ErrorEquals: ['TunnelError'], Next: 'Give up' }];
    const machine = machineOf({ ...task, Catch }, { 'Give up': { Type: 'Fail', Error: 'Incomplete', Cause: 'why' } });
    const { error } = await run(machine, () => Promise.reject(new TunnelError('cut')));
    expect(error).toMatchObject({ name: 'Incomplete', message: 'why' });
  });

  it('ends with States.Timeout and not with what the step makes of its abort', async () => {
    // The engine asks again for the time of a state, which lets its own timer be the later one.
    const times = [0.01, 0.2, 0.2];
    const hanging = {
      ...task,
      get TimeoutSeconds() {
        return times.shift() ?? 0.2;
      },
      Retry: [{ ErrorEquals: ['TunnelError'], MaxAttempts: 5 }],
    };
    let deliveries = 0;
    const { error } = await run(machineOf(hanging), (_, signal) => {
      deliveries += 1;
      return new Promise((__, reject) => {
        signal.addEventListener('abort', () => {
          reject(new TunnelError('cut by the abort'));
        });
      });
    });
    expect(error).toMatchObject({ name: 'States.Timeout' });
    expect(deliveries).toBe(1);
  });

  it('is not begun when it was interrupted before', async () => {
    const signal = AbortSignal.abort(new Error('interrupted'));
    let deliveries = 0;
    const work = () => Promise.resolve((deliveries += 1));
    const { error } = await run(machineOf(task), work, signal);
    expect(error).toMatchObject({ message: 'interrupted' });
    expect(deliveries).toBe(0);
  });

  it('is not begun when a Task has no step or no time', async () => {
    const other = await run(machineOf({ ...task, Resource: '${OtherFunctionArn}' }), () => Promise.resolve(1));
    expect(other.error).toMatchObject({ message: 'state "First" has no step Other' });
    const endless = await run(machineOf({ ...task, TimeoutSeconds: undefined }), () => Promise.resolve(1));
    expect(endless.error).toMatchObject({ message: 'state "First" has no TimeoutSeconds' });
  });
});
