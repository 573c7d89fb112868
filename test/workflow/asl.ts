import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A machine's file as it is read: every field that its suites look at; what else it holds is judged by asl-validator. */
export interface Asl {
  readonly StartAt: string;
  readonly States: Readonly<Record<string, AslState>>;
  readonly TimeoutSeconds?: number;
}

export interface AslState {
  readonly Type: string;
  readonly Resource?: string;
  readonly Next?: string;
  readonly End?: boolean;
  readonly InputPath?: string | null;
  readonly Parameters?: unknown;
  readonly ResultSelector?: unknown;
  readonly ResultPath?: string | null;
  readonly OutputPath?: string | null;
  readonly Result?: unknown;
  readonly TimeoutSeconds?: number;
  readonly Retry?: readonly Retrier[];
  readonly Catch?: readonly Catcher[];
  readonly ItemsPath?: string;
  readonly ItemSelector?: unknown;
  readonly ItemProcessor?: Asl;
  readonly MaxConcurrency?: number;
  readonly Branches?: readonly Asl[];
  readonly Choices?: readonly ChoiceRule[];
  readonly Default?: string;
  readonly SecondsPath?: string;
  readonly TimestampPath?: string;
  readonly Error?: string;
}

export interface Retrier {
  readonly ErrorEquals: readonly string[];
  /** Step Functions' default is 3. */
  readonly MaxAttempts?: number;
  readonly IntervalSeconds?: number;
  readonly BackoffRate?: number;
  readonly MaxDelaySeconds?: number;
  readonly JitterStrategy?: string;
}

/** Step Functions' own defaults of a Retry. */
export const DEFAULT_RETRIER = { IntervalSeconds: 1, MaxAttempts: 3, BackoffRate: 2, MaxDelaySeconds: Infinity };

/** Seconds of all pauses that a Retry may make; full jitter makes them shorter at the most. */
export function pausesOf(retrier: Retrier): number {
  const { IntervalSeconds, MaxAttempts, BackoffRate, MaxDelaySeconds } = { ...DEFAULT_RETRIER, ...retrier };
  return Array.from({ length: MaxAttempts }, (_, attempt) =>
    Math.min(IntervalSeconds * BackoffRate ** attempt, MaxDelaySeconds),
  ).reduce((sum, seconds) => sum + seconds, 0);
}

/** No function is free, or no address for it; answered before one begins. */
export const THROTTLED = [
  'Lambda.TooManyRequestsException',
  'Lambda.ENILimitReachedException',
  'Lambda.SubnetIPAddressLimitReachedException',
];

/** Errors that a state is tried again after, and how often; an error that is excepted with `MaxAttempts` 0 is none. */
export function retriesOf({
  Retry = [],
}: AslState): { readonly error: string; readonly attempts: number; readonly index: number }[] {
  return Retry.flatMap(({ ErrorEquals, MaxAttempts = 3 }, index) =>
    MaxAttempts === 0 ? [] : ErrorEquals.map((error) => ({ error, attempts: MaxAttempts, index })),
  );
}

export interface Catcher {
  readonly ErrorEquals: readonly string[];
  readonly Next: string;
  readonly ResultPath?: string | null;
}

/** A comparison such as `StringEquals` stands beside `Variable` under its own name. */
export interface ChoiceRule {
  readonly Variable?: string;
  readonly And?: readonly ChoiceRule[];
  readonly Or?: readonly ChoiceRule[];
  readonly Not?: ChoiceRule;
  readonly Next?: string;
  readonly [comparison: string]: unknown;
}

/** Stands for every error in an `ErrorEquals`. */
export const ANY_ERROR = 'States.ALL';

const FOLDER = join(import.meta.dirname, '..', '..', 'statemachines');
const FUNCTION = /^\$\{(\w+)FunctionArn\}$/;

/** Names of all machines. */
export const MACHINE_NAMES: readonly string[] = readdirSync(FOLDER).filter((name) =>
  existsSync(join(FOLDER, name, 'machine.asl.json')),
);

/** A path in a machine's folder. */
export function machineFile(machine: string, ...path: readonly string[]): string {
  return join(FOLDER, machine, ...path);
}

/** The text of a machine's file, before anything is put in for its placeholders. */
export function readAsl(machine: string): string {
  return readFileSync(machineFile(machine, 'machine.asl.json'), 'utf8');
}

export function parseAsl(machine: string): Asl {
  return JSON.parse(readAsl(machine)) as Asl;
}

/** The machine itself and those inside its Maps and Parallels. */
export function* levelsOf(machine: Asl): Generator<Asl> {
  yield machine;
  for (const { ItemProcessor, Branches = [] } of Object.values(machine.States)) {
    for (const nested of [...(ItemProcessor === undefined ? [] : [ItemProcessor]), ...Branches])
      yield* levelsOf(nested);
  }
}

/** All states by their names, which are unique over all levels (asl-validator sees to that). */
export function statesOf(machine: Asl): [name: string, state: AslState][] {
  return [...levelsOf(machine)].flatMap(({ States }) => Object.entries(States));
}

/** The name of the function that a Task calls, e.g. `TakeSnapshot`; undefined for every other resource. */
export function functionOf({ Resource = '' }: AslState): string | undefined {
  return FUNCTION.exec(Resource)?.[1];
}

/** All Tasks with the names of their functions. */
export function tasksOf(
  machine: Asl,
): { readonly name: string; readonly state: AslState; readonly functionName: string }[] {
  return statesOf(machine)
    .filter(([, { Type }]) => Type === 'Task')
    .map(([name, state]) => {
      const functionName = functionOf(state);
      if (functionName === undefined) throw new Error(`state "${name}" calls no function: ${state.Resource ?? ''}`);
      return { name, state, functionName };
    });
}

/** A copy of the machine with one state, on whatever level, changed: for tests of what must notice. */
export function changeState(machine: Asl, name: string, change: (state: AslState) => AslState): Asl {
  const changed = (level: Asl): Asl => ({
    ...level,
    States: Object.fromEntries(
      Object.entries(level.States).map(([stateName, state]) => {
        const nested: AslState = {
          ...state,
          ...(state.ItemProcessor && { ItemProcessor: changed(state.ItemProcessor) }),
          ...(state.Branches && { Branches: state.Branches.map(changed) }),
        };
        return [stateName, stateName === name ? change(nested) : nested];
      }),
    ),
  });
  if (!statesOf(machine).some(([stateName]) => stateName === name)) throw new Error(`there is no state "${name}"`);
  return changed(machine);
}
