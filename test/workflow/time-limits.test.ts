import { describe, expect, it } from '@jest/globals';
import { STEPS } from '../../statemachines/restore-control-plane/steps.ts';
import type { Steps } from '../../statemachines/description/step.ts';
import { changeState, DEFAULT_RETRIER, parseAsl, pausesOf, THROTTLED, type Asl, type AslState } from './asl.ts';

const LIMITS = Object.values(STEPS as Steps).flatMap(({ limitSeconds }) => limitSeconds ?? []);

/** One entry of a Task with all that it may be tried again: each Retry counts for itself. What is throttled only waits. */
function longestEntry({ TimeoutSeconds = 0, Retry = [] }: AslState): number {
  const begun = Retry.filter(({ ErrorEquals }) => !ErrorEquals.every((error) => THROTTLED.includes(error)));
  const attempts = begun.reduce((sum, { MaxAttempts = DEFAULT_RETRIER.MaxAttempts }) => sum + MaxAttempts, 1);
  return attempts * TimeoutSeconds + Retry.reduce((sum, retrier) => sum + pausesOf(retrier), 0);
}

function limitOf({ Resource = '' }: AslState): number | undefined {
  const step = Resource.replace(/^\$\{(\w+)FunctionArn\}$/, '$1')
    .replaceAll(/(?!^)[A-Z]/g, '-$&')
    .toLowerCase();
  return (STEPS as Steps)[step]?.limitSeconds;
}

/**
 * Seconds that an execution may take on its longest way. A step that is asked again and again until it is done is entered last
 * when its limit is over: rounds of its Choice and its Wait are within the limit.
 */
function longestSeconds({ StartAt, States }: Asl): number {
  const from = (name: string, entered: readonly string[]): number => {
    const state = States[name];
    if (state === undefined) throw new Error(`there is no state "${name}"`);
    const { Next, Default, Choices = [], Catch = [] } = state;
    const ways = [Next, Default, ...Choices.map((rule) => rule.Next), ...Catch.map((catcher) => catcher.Next)];
    const seconds = state.Type === 'Task' ? longestEntry(state) + (limitOf(state) ?? 0) : 0;
    const after = ways.flatMap((way) => {
      if (way === undefined) return [];
      if (!entered.includes(way)) return [from(way, [...entered, way])];
      if (limitOf(States[way] ?? { Type: '' }) === undefined)
        throw new Error(`"${way}" is asked again without a limit`);
      return [];
    });
    return seconds + Math.max(0, ...after);
  };
  return from(StartAt, [StartAt]);
}

describe('the time of the machine restore-control-plane', () => {
  const machine = parseAsl('restore-control-plane');

  it('is above that of the longest way through its steps, there and back, with all that is tried again', () => {
    const longest = longestSeconds(machine);
    process.stderr.write(`restore-control-plane: at the longest ${longest} s of ${machine.TimeoutSeconds ?? 0} s\n`);
    expect(longest).toBeGreaterThan(LIMITS.reduce((sum, seconds) => sum + seconds, 0));
    expect(machine.TimeoutSeconds).toBeGreaterThan(longest);
  });

  it('counts every step that is given more time', () => {
    const changed = changeState(machine, 'Put the old data back', (state) => ({ ...state, TimeoutSeconds: 900 }));
    expect(longestSeconds(changed)).toBeGreaterThan(longestSeconds(machine));
  });

  it('has a limit for every step that is asked again', () => {
    const unlimited = changeState(machine, 'Wait for the swap', (state) => ({ ...state, Next: 'Plan the restore' }));
    expect(() => longestSeconds(unlimited)).toThrow('asked again without a limit');
  });
});
