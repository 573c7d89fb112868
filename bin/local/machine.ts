import { readFileSync } from 'node:fs';
import { StateMachine } from 'aws-local-stepfunctions';
import { z } from 'zod';
import type { Step } from '../../lambdas/step.ts';

const PLACEHOLDER = /^\$\{(\w+)FunctionArn\}$/;

interface State {
  readonly Type: string;
  readonly Resource?: string;
  readonly ItemProcessor?: Machine;
}

interface Machine {
  readonly States: Readonly<Record<string, State>>;
}

const machineSchema: z.ZodType<Machine> = z.looseObject({
  States: z.record(
    z.string(),
    z.looseObject({
      Type: z.string(),
      Resource: z.string().optional(),
      get ItemProcessor() {
        return machineSchema.optional();
      },
    }),
  ),
}) as z.ZodType<Machine>;

/** Steps by the name of their function: `TakeSnapshot` for the resource `${TakeSnapshotFunctionArn}`. */
export type Steps<Ports> = Readonly<Record<string, Pick<Step<unknown, unknown, Ports>, 'run'>>>;

export interface MachineOptions {
  /** In place of what each Retry of the machine says. */
  readonly retryPauseMilliseconds?: number;
}

/** The machine's file as it is deployed; `statemachines/<name>/machine.asl.json`. */
export function loadMachine(name: string): Machine {
  const file = new URL(`../../statemachines/${name}/machine.asl.json`, import.meta.url);
  return machineSchema.parse(JSON.parse(readFileSync(file, 'utf8')));
}

/**
 * Runs a machine's file to its end in this process, each Task by the step of its function's name. When the machine fails it
 * throws what a step threw last; a machine that ends in a Fail state has recorded a result as well.
 */
export async function runMachine<Ports>(
  machine: Machine,
  input: object,
  steps: Steps<Ports>,
  portsFor: (input: unknown) => Ports,
  options: MachineOptions = {},
): Promise<void> {
  let failure: unknown;
  const handlers = Object.fromEntries(
    [...tasksOf(machine)].map(([state, functionName]) => {
      const step = steps[functionName];
      if (step === undefined) throw new Error(`state "${state}" has no step ${functionName}`);
      const handler = async (event: unknown) => {
        try {
          return (await step.run(event, portsFor(event))) as never;
        } catch (error) {
          failure = error;
          throw error;
        }
      };
      return [state, handler];
    }),
  );
  const local = new StateMachine(machine as never, { validationOptions: { noValidate: true } });
  const { retryPauseMilliseconds } = options;
  const pauses = Object.keys(handlers).map((state) => [state, retryPauseMilliseconds] as const);
  const { result } = local.run(input as never, {
    overrides: {
      taskResourceLocalHandlers: handlers,
      ...(retryPauseMilliseconds !== undefined && { retryIntervalOverrides: Object.fromEntries(pauses) as never }),
    },
  });
  try {
    await result;
  } catch (error) {
    throw failure ?? error;
  }
}

/** Every Task with the name of its function, those inside Maps included. */
function* tasksOf(machine: Machine): Generator<[state: string, functionName: string]> {
  for (const [name, { Type, Resource = '', ItemProcessor }] of Object.entries(machine.States)) {
    const [, functionName] = PLACEHOLDER.exec(Resource) ?? [];
    if (Type === 'Task' && functionName !== undefined) yield [name, functionName];
    if (ItemProcessor !== undefined) yield* tasksOf(ItemProcessor);
  }
}
