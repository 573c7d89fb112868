import { isDeepStrictEqual } from 'node:util';
import { StateMachine } from 'aws-local-stepfunctions';
import type { MachineEvent } from '../../bin/local/machine.ts';
import { ANY_ERROR, retriesOf, statesOf, type Asl, type AslState } from './asl.ts';

/** One way from a state: to the next one, to an end, or back to itself for one of the errors that a Retry names. */
export interface Transition {
  readonly from: string;
  readonly to: string;
  /** `Next`, `End`, `Choices[0]`, `Default`, `Catch[1]`, `Retry[0] TunnelError`, `each item`, … */
  readonly by: string;
}

/** How often each state was entered and each transition was taken. */
export interface Coverage {
  readonly states: ReadonlyMap<string, number>;
  readonly transitions: readonly (Transition & { readonly times: number })[];
}

const END = '(end)';

/** All that a machine's file lets happen. */
export function transitionsOf(machine: Asl): Transition[] {
  return statesOf(machine).flatMap(([from, state]) => {
    const { Next, Catch = [], Choices = [], Default, ItemProcessor, Branches = [] } = state;
    const ways: (readonly [to: string, by: string])[] = [
      ...retriesOf(state).map(({ error, index }) => [from, `Retry[${index}] ${error}`] as const),
      ...Catch.map((catcher, index) => [catcher.Next, `Catch[${index}]`] as const),
      ...(ItemProcessor === undefined ? [] : [[ItemProcessor.StartAt, 'each item'] as const]),
      ...Branches.map(({ StartAt }, index) => [StartAt, `Branches[${index}]`] as const),
      ...Choices.map((rule, index) => [rule.Next ?? '', `Choices[${index}]`] as const),
      ...(Default === undefined ? [] : [[Default, 'Default'] as const]),
      ...(Next === undefined ? [] : [[Next, 'Next'] as const]),
      ...(state.End === true || state.Type === 'Succeed' || state.Type === 'Fail'
        ? [[END, endOf(state)] as const]
        : []),
    ];
    return ways.map(([to, by]) => ({ from, to, by }));
  });
}

function endOf({ Type }: AslState): string {
  return Type === 'Succeed' || Type === 'Fail' ? Type : 'End';
}

/** Counts what happens in executions of a machine, by the events that the engine gives. */
export class TransitionRecorder {
  readonly #machine: Asl;
  readonly #states: ReadonlyMap<string, AslState>;
  readonly #entered = new Map<string, number>();
  readonly #taken = new Map<string, number>();
  readonly #lastError = new Map<string, string>();
  readonly #choices: Promise<void>[] = [];

  constructor(machine: Asl) {
    this.#machine = machine;
    this.#states = new Map(statesOf(machine));
  }

  readonly record = (event: MachineEvent): void => {
    switch (event.type) {
      case 'StateEntered':
        count(this.#entered, event.state.name);
        this.#entersBranch(event.state.name);
        return;
      case 'StateFailed':
        this.#lastError.set(event.state.name, event.Error);
        if (event.state.type === 'Fail') this.#take(event.state.name, 'Fail', 1);
        return;
      case 'StateRetried': {
        const { name } = event.state;
        const { retrier } = event.retry;
        const index = indexOf(this.#states.get(name)?.Retry, retrier);
        const error = retrier.ErrorEquals.includes(ANY_ERROR) ? ANY_ERROR : (this.#lastError.get(name) ?? '');
        this.#take(name, `Retry[${index}] ${error}`, 1);
        return;
      }
      case 'StateCaught': {
        const { name } = event.state;
        this.#take(name, `Catch[${indexOf(this.#states.get(name)?.Catch, event.catch.catcher)}]`, 1);
        // It is told as left as well, but not by its Next.
        this.#leave(name, -1);
        return;
      }
      case 'StateExited':
        if (event.state.type === 'Choice') this.#choices.push(this.#choose(event.state.name, event.state.input));
        else this.#leave(event.state.name, 1);
        return;
      case 'MapIterationStarted':
        this.#take(event.parentState.name, 'each item', 1);
        return;
      default:
    }
  };

  /** After the last execution. */
  async coverage(): Promise<Coverage> {
    await Promise.all(this.#choices);
    return {
      states: new Map(statesOf(this.#machine).map(([name]) => [name, this.#entered.get(name) ?? 0])),
      transitions: transitionsOf(this.#machine).map((transition) => ({
        ...transition,
        times: this.#taken.get(keyOf(transition.from, transition.by)) ?? 0,
      })),
    };
  }

  #take(from: string, by: string, times: number): void {
    count(this.#taken, keyOf(from, by), times);
  }

  #leave(name: string, times: number): void {
    const state = this.#states.get(name);
    if (state !== undefined) this.#take(name, state.Next === undefined ? endOf(state) : 'Next', times);
  }

  #entersBranch(name: string): void {
    for (const [parent, { Branches = [] }] of this.#states) {
      const index = Branches.findIndex(({ StartAt }) => StartAt === name);
      if (index >= 0) this.#take(parent, `Branches[${index}]`, 1);
    }
  }

  /** The events do not tell which rule was met, so the engine is asked again, with one end for each rule. */
  async #choose(name: string, input: unknown): Promise<void> {
    const state = this.#states.get(name);
    const rules = state?.Choices ?? [];
    const ends = [...rules.map((_, index) => `Choices[${index}]`), 'Default'];
    const machine = {
      StartAt: name,
      States: {
        [name]: {
          ...state,
          Choices: rules.map((rule, index) => ({ ...rule, Next: `Choices[${index}]` })),
          Default: 'Default',
        },
        ...Object.fromEntries(ends.map((end) => [end, { Type: 'Pass', Result: end, End: true }])),
      },
    };
    const local = new StateMachine(machine as never, { validationOptions: { noValidate: true } });
    this.#take(name, (await local.run(input as never).result) as string, 1);
  }
}

/** What was never entered or taken, a line each. */
export function uncovered({ states, transitions }: Coverage): string[] {
  return [
    ...[...states].filter(([, times]) => times === 0).map(([name]) => `state "${name}"`),
    ...transitions.filter(({ times }) => times === 0).map(({ from, by, to }) => `"${from}" by ${by} to "${to}"`),
  ];
}

/** The coverage for people: every state with its transitions, and the two sums. */
export function formatCoverage(machine: string, { states, transitions }: Coverage): string {
  const rows = [...states].flatMap(([name, times]) => [
    [name, '', '', String(times)],
    ...transitions
      .filter(({ from }) => from === name)
      .map(({ by, to, times }) => ['', by, to === name ? '' : to, String(times)]),
  ]);
  const table = [['STATE', 'BY', 'TO', 'TIMES'], ...rows];
  const widths = [0, 1, 2].map((column) => Math.max(...table.map((row) => row[column]?.length ?? 0)));
  const lines = table.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
  const sum = (what: string, times: readonly number[]) => {
    const covered = times.filter((count) => count > 0).length;
    return `${covered} of ${times.length} ${what} (${((100 * covered) / times.length).toFixed(1)} %)`;
  };
  const total = [
    sum('states', [...states.values()]),
    sum(
      'transitions',
      transitions.map(({ times }) => times),
    ),
  ];
  return `${[...lines, `${machine}: ${total.join(', ')}`].join('\n')}\n`;
}

function keyOf(from: string, by: string): string {
  return `${from}\n${by}`;
}

function count(counts: Map<string, number>, key: string, times = 1): void {
  counts.set(key, (counts.get(key) ?? 0) + times);
}

function indexOf(list: readonly unknown[] | undefined, item: unknown): number {
  return (list ?? []).findIndex((candidate) => isDeepStrictEqual(candidate, item));
}
