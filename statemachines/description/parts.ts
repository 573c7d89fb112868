import { placeholderOf } from './pascal-case.ts';
import { retriersOf, type Patience, type Retrier } from './retries.ts';
import { ANY_ERROR, TIME_WAS_OVER, TIMEOUT, type Catcher, type Level, type State } from './states.ts';
import type { Steps } from './step.ts';

/** To another state, or to the end. */
export type Way = { readonly Next: string } | { readonly End: true };

/** What surrounds a part says where it goes on. */
export interface Ways {
  readonly done: Way;
  /** When it has failed and that is dealt with: to what is always done, or to the end. */
  readonly out: Way;
  /** What catches its errors. */
  readonly failed?: readonly Catcher[];
}

/** Some states of a machine that belong together, of which the first is entered from outside. */
export interface Part {
  readonly start: string;
  states(ways: Ways): [name: string, state: State][];
}

export interface TaskOptions {
  readonly comment?: string;
  /** What the step is given; all there is when left out. */
  readonly parameters?: object;
  /** Where its answer is kept; nowhere for null, in place of all there is when left out. */
  readonly result?: string | null;
  /** After what else it is tried again. */
  readonly retry?: readonly Retrier[];
}

export interface RoundOptions extends Omit<TaskOptions, 'result'> {
  readonly everySeconds?: number;
}

/** The parts that call the steps of a machine, each with the time and the retries that its step has. */
export function partsOf<List extends Steps>(steps: List, patience: Patience) {
  type Name = keyof List & string;

  /** Calls a step. */
  function task(name: string, step: Name, { comment, parameters, result, retry = [] }: TaskOptions = {}): Part {
    const called = steps[step];
    if (called === undefined) throw new Error(`"${name}" calls ${step}, which is no step of the machine`);
    return {
      start: name,
      states: ({ done, failed }) => [
        [
          name,
          {
            Type: 'Task',
            Resource: `\${${placeholderOf(step)}}`,
            TimeoutSeconds: called.timeoutSeconds,
            Comment: comment,
            Parameters: parameters,
            ResultPath: result,
            Retry: [...retriersOf(called, patience), ...retry],
            Catch: failed,
            ...done,
          },
        ],
      ],
    };
  }

  /** Calls a step that works for a goal until it answers that it is done; one state asks for that, one waits before the next call. */
  function repeatUntilDone(
    name: string,
    step: Name,
    [asks, waits]: readonly [asks: string, waits: string],
    { everySeconds = 1, ...options }: RoundOptions = {},
  ): Part {
    const once = task(name, step, { ...options, result: '$.step' });
    if (steps[step]?.limitSeconds === undefined) throw new Error(`"${name}" is asked again, but has no limit`);
    return {
      start: name,
      states: (ways) => [
        ...once.states({ ...ways, done: { Next: asks } }),
        [
          asks,
          {
            Type: 'Choice',
            Choices: [{ Variable: '$.step.done', BooleanEquals: true, Next: nextOf(ways.done, asks) }],
            Default: waits,
          },
        ],
        [waits, { Type: 'Wait', Seconds: everySeconds, Next: name }],
      ],
    };
  }

  return { task, repeatUntilDone };
}

/** The parameters that are passed on under their own names. */
export function pass(...names: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(names.map((name) => [`${name}.$`, `$.${name}`]));
}

/** Notes something in the state of the machine; in place of all there is where no path is given. */
export function note(name: string, parameters: object, path?: string): Part {
  return single(name, ({ done }) => ({ Type: 'Pass', Parameters: parameters, ResultPath: path, ...done }));
}

/** Goes on with what is at a path alone. */
export function give(name: string, path: string): Part {
  return single(name, ({ done }) => ({ Type: 'Pass', InputPath: path, ...done }));
}

export function succeed(name: string): Part {
  return single(name, () => ({ Type: 'Succeed' }));
}

/** Fails the machine with an error that is told (`Error`, `Cause`) or that lies at a path (`ErrorPath`, `CausePath`). */
export function fail(name: string, error: object): Part {
  return single(name, () => ({ Type: 'Fail', ...error }));
}

/** Goes on with a state that stands elsewhere. */
export function goTo(name: string): Part {
  return { start: name, states: () => [] };
}

/** What is done for which values of what is compared; with no parts it goes on as after the choice. */
export type Case = readonly [values: readonly (string | null)[], parts: readonly Part[]];

export function choose(
  name: string,
  {
    comment,
    variable,
    cases,
    otherwise,
  }: {
    readonly comment?: string;
    readonly variable: string;
    readonly cases: readonly Case[];
    readonly otherwise: readonly Part[];
  },
): Part {
  return {
    start: name,
    states(ways) {
      const led = cases.map(([values, parts]) => ({ values, ...inTurn(parts, ways) }));
      const rest = inTurn(otherwise, ways);
      return [
        [
          name,
          {
            Type: 'Choice',
            Comment: comment,
            Choices: led.flatMap(({ values, start }) =>
              values.map((value) => ({
                Variable: variable,
                ...(value === null ? { IsNull: true } : { StringEquals: value }),
                Next: nextOf(start, name),
              })),
            ),
            Default: nextOf(rest.start, name),
          },
        ],
        ...[...led, rest].flatMap(({ states }) => states),
      ];
    },
  };
}

/** Does the same with every item of a list, some at once; a part that fails for good ends all. */
export function forEach(
  name: string,
  {
    items,
    item,
    atOnce,
    result,
    parts,
  }: {
    readonly items: string;
    readonly item: object;
    readonly atOnce: number;
    readonly result: string | null;
    readonly parts: readonly Part[];
  },
): Part {
  return single(name, ({ done, failed }) => ({
    Type: 'Map',
    ItemsPath: items,
    MaxConcurrency: atOnce,
    ItemSelector: item,
    ItemProcessor: { ProcessorConfig: { Mode: 'INLINE' }, ...levelOf(parts) },
    ResultPath: result,
    Catch: failed,
    ...done,
  }));
}

/** What is done when a part has failed: by the name of the error, any other one last. */
export type Rescue = readonly [error: string, parts: readonly Part[]];

/**
 * A part whose failure is dealt with, error and cause of it at a path. Afterwards it goes on with what is always done, or ends,
 * unless the rescue goes elsewhere.
 */
export function orElse(part: Part, caught: string, rescues: readonly Rescue[]): Part {
  return {
    start: part.start,
    states(ways) {
      const led = rescues.map(([error, parts]) => ({
        error,
        ...inTurn(parts, { done: ways.out, out: ways.out }),
      }));
      const late = `Too late to ${part.start.charAt(0).toLowerCase()}${part.start.slice(1)}`;
      const catching = led.map(({ error, start }) => caughtBy(error, caught, nextOf(start, part.start), late));
      const failed = catching.flatMap(({ catchers }) => catchers);
      return [...part.states({ ...ways, failed }), ...[...catching, ...led].flatMap(({ states }) => states)];
    },
  };
}

/** A part after which it goes on whether it is done or has failed. */
export function evenIfItFails(part: Part): Part {
  return {
    start: part.start,
    states: (ways) => part.states({ ...ways, failed: [catcher(ANY_ERROR, null, nextOf(ways.done, part.start))] }),
  };
}

/** Parts one after the other: where they begin, and all their states. */
export function inTurn(
  parts: readonly Part[],
  ways: Ways,
): { readonly start: Way; readonly states: [name: string, state: State][] } {
  const wayTo = (part: Part | undefined): Way => (part === undefined ? ways.done : { Next: part.start });
  return {
    start: wayTo(parts[0]),
    states: parts.flatMap((part, index) => part.states({ ...ways, done: wayTo(parts[index + 1]) })),
  };
}

/** The states of a machine or of what it does with an item. A name that is there twice, or not at all, is a mistake. */
export function levelOf(parts: readonly Part[]): Level {
  const end = { End: true } as const;
  const { start, states } = inTurn(parts, { done: end, out: end });
  const names = states.map(([name]) => name);
  const twice = names.filter((name, index) => names.indexOf(name) < index);
  if (twice.length > 0) throw new Error(`there are two states of the name ${twice.join(', ')}`);
  return { StartAt: nextOf(start, 'the machine'), States: Object.fromEntries(states) };
}

/**
 * What catches an error, and keeps error and cause at a path. What catches any error has a state of its own for a Task that did not end in
 * its time: that has no cause, and without one what is noted later would fail in the middle of everything.
 */
export function caughtBy(
  error: string,
  path: string,
  next: string,
  late: string,
): { readonly catchers: readonly Catcher[]; readonly states: readonly [name: string, state: State][] } {
  if (error !== ANY_ERROR) return { catchers: [catcher(error, path, next)], states: [] };
  const cause = { Error: TIMEOUT, Cause: TIME_WAS_OVER };
  return {
    catchers: [catcher(TIMEOUT, null, late), catcher(ANY_ERROR, path, next)],
    states: [[late, { Type: 'Pass', Parameters: cause, ResultPath: path, Next: next }]],
  };
}

export function catcher(error: string, path: string | null, next: string): Catcher {
  return { ErrorEquals: [error], ResultPath: path, Next: next };
}

/** Choices and Catches lead to states alone. */
export function nextOf(way: Way, from: string): string {
  if ('Next' in way) return way.Next;
  throw new Error(`"${from}" must be followed by a state, not by the end`);
}

function single(name: string, stateOf: (ways: Ways) => State): Part {
  return { start: name, states: (ways) => [[name, stateOf(ways)]] };
}
