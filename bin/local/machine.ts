import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { ExecutionError, StateMachine } from 'aws-local-stepfunctions';
import * as z from 'zod';
import { LifeboatError, withRemedy } from '../../lambdas/domain/errors.ts';
import type { Step } from '../../lambdas/step.ts';
import type { PascalCase } from '../../statemachines/description/pascal-case.ts';

const PLACEHOLDER = /^\$\{(\w+)FunctionArn\}$/;

interface State {
  readonly Type: string;
  readonly Resource?: string;
  readonly TimeoutSeconds?: number;
  readonly ItemProcessor?: Machine;
  readonly Branches?: readonly Machine[];
}

export interface Machine {
  readonly States: Readonly<Record<string, State>>;
}

const machineSchema: z.ZodType<Machine> = z.looseObject({
  States: z.record(
    z.string(),
    z.looseObject({
      Type: z.string(),
      Resource: z.string().optional(),
      TimeoutSeconds: z.number().optional(),
      get ItemProcessor() {
        return machineSchema.optional();
      },
      get Branches() {
        return z.array(machineSchema).optional();
      },
    }),
  ),
}) as z.ZodType<Machine>;

/** Steps by the name of their function: `TakeSnapshot` for the resource `${TakeSnapshotFunctionArn}`. */
export type Steps<Ports> = Readonly<Record<string, Pick<Step<unknown, unknown, Ports>, 'run'>>>;

/** The steps of a machine, by its list: none is missing, and none is too many. */
export type StepsOf<List> = Readonly<
  Record<PascalCase<keyof List & string>, Pick<Step<unknown, unknown, never>, 'run'>>
>;

/** What the engine tells of an execution: states entered, retried, caught and left. */
export type MachineEvent =
  ReturnType<StateMachine['run']>['eventLogs'] extends AsyncGenerator<infer Event> ? Event : never;

export interface MachineOptions {
  /** Of the execution; one that nobody else has when left out, as in Step Functions. */
  readonly name?: string;
  /** In place of what each Retry and Wait of the machine says. */
  readonly pauseMilliseconds?: number;
  /** Ends the execution where it is: no Catch and no other state follows. */
  readonly signal?: AbortSignal;
  readonly onEvent?: (event: MachineEvent) => void;
}

/** One Task: the name of its state and that of its function. */
interface Task {
  readonly state: string;
  readonly functionName: string;
  readonly timeoutSeconds: number;
}

/** The machine's file as it is deployed; `statemachines/<name>/machine.asl.json`. */
export function loadMachine(name: string): Machine {
  const file = new URL(`../../statemachines/${name}/machine.asl.json`, import.meta.url);
  return machineSchema.parse(JSON.parse(readFileSync(file, 'utf8')));
}

/**
 * Runs a machine's file to its end in this process, each Task by the step of its function's name. `portsFor` gets what the
 * Task is given and a signal that is aborted when the state's TimeoutSeconds are over: a step that is late must not go on
 * beside what the machine does next. Throws what made the machine fail: the step's own error, the Error of a Fail state, or
 * States.Timeout and the like; ExecutionTimeoutError when the machine's own time is over.
 */
export async function runMachine<Ports>(
  machine: Machine,
  input: object,
  steps: Steps<Ports>,
  portsFor: (input: unknown, signal: AbortSignal) => Ports,
  { name = randomUUID(), pauseMilliseconds, signal: ended, onEvent }: MachineOptions = {},
): Promise<void> {
  ended?.throwIfAborted();
  const underWay = new Set<Promise<unknown>>();
  const handlers = Object.fromEntries(
    [...tasksOf(machine)].map(({ state, functionName, timeoutSeconds }) => {
      const step = steps[functionName];
      if (step === undefined) throw new Error(`state "${state}" has no step ${functionName}`);
      const run = async (event: unknown) => {
        try {
          const answer = await withinTime(timeoutSeconds, (signal) => {
            const work = step.run(event, portsFor(event, signal));
            underWay.add(work);
            return work.finally(() => underWay.delete(work));
          });
          return asJson(answer);
        } catch (error) {
          throw asTold(error);
        } finally {
          // The engine hands the events of Maps on a microtask at a time, and loses those that come after the end.
          await nextTurn();
        }
      };
      return [state, run];
    }),
  );
  const local = new StateMachine(machine as never, { validationOptions: { noValidate: true } });
  const pausesOf = (states: readonly string[]) =>
    Object.fromEntries(states.map((state) => [state, pauseMilliseconds] as const)) as never;
  const { result, abort, eventLogs } = local.run(input as never, {
    context: { Execution: { Name: name, Input: input, StartTime: new Date().toISOString() } } as never,
    overrides: {
      taskResourceLocalHandlers: handlers as never,
      ...(pauseMilliseconds !== undefined && {
        retryIntervalOverrides: pausesOf(Object.keys(handlers)),
        waitTimeOverrides: pausesOf([...waitsOf(machine)]),
      }),
    },
  });
  ended?.addEventListener('abort', abort, { once: true });
  const told = onEvent === undefined ? undefined : tell(eventLogs, onEvent);
  try {
    await result;
  } catch (error) {
    if (ended?.aborted === true) {
      // What a step had begun is undone by itself, when it hears of the end.
      await Promise.allSettled(underWay);
      throw ended.reason;
    }
    const failure = error instanceof ExecutionError ? error.cause : error;
    throw failure instanceof Error && failure.cause instanceof LifeboatError ? failure.cause : (failure ?? error);
  } finally {
    ended?.removeEventListener('abort', abort);
    await told;
  }
}

async function tell(events: AsyncIterable<MachineEvent>, onEvent: (event: MachineEvent) => void): Promise<void> {
  for await (const event of events) onEvent(event);
}

/**
 * Aborts the signal when the time is over. The engine then raises States.Timeout by its own timer of the same length and
 * asks no more what becomes of the work, so an error that the abort causes must not reach it first.
 */
async function withinTime<T>(timeoutSeconds: number, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const late = new AbortController();
  const timer = setTimeout(() => {
    late.abort();
  }, timeoutSeconds * 1000);
  try {
    return await work(late.signal);
  } catch (error) {
    if (!late.signal.aborted) throw error;
    return await new Promise<never>(() => undefined);
  } finally {
    clearTimeout(timer);
  }
}

/** What Step Functions would get of a function's error: name and text are all that a machine passes on. */
function asTold(error: unknown): unknown {
  if (!(error instanceof LifeboatError)) return error;
  return Object.assign(new Error(withRemedy(error), { cause: error }), { name: error.name });
}

/** What Step Functions would get of a function's answer. */
function asJson(answer: unknown): unknown {
  return JSON.parse(JSON.stringify(answer ?? null)) as unknown;
}

/** The names of all states that only wait. */
function* waitsOf(machine: Machine): Generator<string> {
  for (const [state, { Type }] of Object.entries(machine.States)) if (Type === 'Wait') yield state;
}

/** Every Task, those inside Maps and Parallels included. */
function* tasksOf(machine: Machine): Generator<Task> {
  for (const [state, { Type, Resource = '', TimeoutSeconds, ItemProcessor, Branches }] of Object.entries(
    machine.States,
  )) {
    const [, functionName] = PLACEHOLDER.exec(Resource) ?? [];
    if (Type === 'Task' && functionName !== undefined) {
      if (TimeoutSeconds === undefined) throw new Error(`state "${state}" has no TimeoutSeconds`);
      yield { state, functionName, timeoutSeconds: TimeoutSeconds };
    }
    for (const nested of [...(ItemProcessor === undefined ? [] : [ItemProcessor]), ...(Branches ?? [])]) {
      yield* tasksOf(nested);
    }
  }
}
