import { setImmediate as nextTurn } from 'node:timers/promises';
import { jest } from '@jest/globals';
import { isDeepStrictEqual } from 'node:util';
import { runMachine, type MachineEvent, type Steps } from '../../bin/local/machine.ts';
import { TunnelError } from '../../lambdas/domain/errors.ts';
import { tasksOf, type Asl } from './asl.ts';
import { stepNamed, type AnySteps } from './machine-steps.ts';

/** What happens instead of the usual answer: an error, or no answer until somebody aborts. */
export type Mishap = Error | 'hangs';

/** Mishaps by the step's name, in order of its deliveries; afterwards it answers as usual. */
export type Script = Readonly<Record<string, readonly Mishap[]>>;

/** A machine whose steps answer by plan; what they take and give is held to the schemas of the real ones. */
export interface ScriptedMachine {
  readonly machine: Asl;
  readonly input: object;
  readonly steps: AnySteps;
  /** What each function answers when all is well. */
  readonly answers: Readonly<Record<string, (input: never) => unknown>>;
  /** The inputs that the script is about, where a Map has several items. */
  readonly affects: (input: unknown) => boolean;
  /** The step's name in the script, where a function is called for several; else it is the function's. */
  readonly nameOf?: (functionName: string, input: unknown) => string;
}

export interface Call {
  readonly functionName: string;
  readonly input: unknown;
  readonly signal: AbortSignal;
}

export interface ScriptedRun {
  /** What the machine failed with; undefined when it succeeded. */
  readonly error: Error | undefined;
  /** Deliveries that the script is about. */
  readonly calls: readonly Call[];
  readonly events: readonly MachineEvent[];
}

export interface ScriptedRunOptions {
  readonly onCall?: (call: Call) => void;
  readonly onEvent?: (event: MachineEvent) => void;
}

/** An error of a name that a machine's file mentions. */
export function errorNamed(name: string, message = 'made up'): Error {
  return Object.assign(new Error(message), { name });
}

/** Runs the machine to its end without the pauses of its Retries. */
export async function runScripted(
  { machine, input, steps, answers, affects, nameOf = (name) => name }: ScriptedMachine,
  script: Script,
  { onCall, onEvent }: ScriptedRunOptions = {},
): Promise<ScriptedRun> {
  const left = new Map(Object.entries(script).map(([name, mishaps]) => [name, [...mishaps]]));
  const calls: Call[] = [];
  const events: MachineEvent[] = [];
  const scripted: Steps<AbortSignal> = Object.fromEntries(
    tasksOf(machine).map(({ functionName }) => {
      const step = stepNamed(steps, functionName);
      const answer = answers[functionName];
      if (answer === undefined) throw new Error(`the script has no answer for ${functionName}`);
      const run = async (event: unknown, signal: AbortSignal): Promise<unknown> => {
        if (affects(event)) {
          const call = { functionName, input: event, signal };
          calls.push(call);
          const mishap = left.get(nameOf(functionName, event))?.shift();
          onCall?.(call);
          if (mishap === 'hangs') return await untilAborted(signal);
          if (mishap !== undefined) throw mishap;
        }
        step.input.parse(event);
        const given = answer(event as never);
        if (!isDeepStrictEqual(step.output.parse(given), given))
          throw new Error(`${functionName} answers more than it may`);
        return given;
      };
      return [functionName, { run }];
    }),
  );
  const error = await runMachine(machine, input, scripted, (_, signal) => signal, {
    pauseMilliseconds: 0,
    onEvent(event) {
      events.push(event);
      onEvent?.(event);
    },
  }).then(
    () => undefined,
    (failure: unknown) => failure as Error,
  );
  return { error, calls, events };
}

/** Runs with a step that never answers until its state's time is over; `start` begins the run with these options. */
export async function runOutOfTime<Run extends ScriptedRun>(
  start: (options: ScriptedRunOptions) => Promise<Run>,
  isLate: (call: Call) => boolean,
  timeoutSeconds: number,
): Promise<Run & { readonly abortedEarly: boolean }> {
  jest.useFakeTimers({ doNotFake: ['nextTick', 'queueMicrotask', 'setImmediate', 'performance', 'Date', 'hrtime'] });
  try {
    const hanging = Promise.withResolvers<AbortSignal>();
    let events = 0;
    const running = start({
      onEvent: () => {
        events += 1;
      },
      onCall: (call) => {
        if (isLate(call)) hanging.resolve(call.signal);
      },
    });
    const neverLate = async () => {
      const { error } = await running;
      throw new Error('the run ended before the step was late', { cause: error });
    };
    const signal = await Promise.race([hanging.promise, neverLate()]);
    // Everything else waits for no clock and nobody outside: it is done when nothing more is told.
    for (let told = -1; told !== events;) {
      told = events;
      for (let turn = 0; turn < 10; turn += 1) await nextTurn();
    }
    jest.advanceTimersByTime(timeoutSeconds * 1000 - 1);
    const abortedEarly = signal.aborted;
    jest.advanceTimersByTime(1);
    // A state that is tried again after this waits by a clock that goes on.
    jest.useRealTimers();
    return { ...(await running), abortedEarly };
  } finally {
    jest.useRealTimers();
  }
}

/** As a step ends that hears of the abort: with an error that would be retried if anybody still asked. */
function untilAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => {
      reject(new TunnelError('cut by the abort'));
    });
  });
}

/** Largest input or output of any state, in bytes of JSON, with the name of the state. */
export function largestPayload(events: readonly MachineEvent[]): { readonly state: string; readonly bytes: number } {
  const sizes = events.flatMap((event) => {
    if (!('state' in event)) return [];
    const { name, input, output } = event.state;
    return [input, output].map((payload) => ({
      state: name,
      bytes: Buffer.byteLength(JSON.stringify(payload ?? null)),
    }));
  });
  return sizes.reduce((largest, size) => (size.bytes > largest.bytes ? size : largest), { state: '', bytes: 0 });
}
