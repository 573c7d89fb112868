import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Aws, Stack } from 'aws-cdk-lib';
import { Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { DefinitionBody, LogLevel, StateMachine } from 'aws-cdk-lib/aws-stepfunctions';
import { Construct } from 'constructs';
import { KeptLogGroup } from './kept-log-group.ts';
import { placeholderOf } from '../statemachines/description/pascal-case.ts';
import type { Step, Steps } from '../statemachines/description/step.ts';
import { LifeboatFunction, type FunctionOptions, type Surroundings } from './lifeboat-function.ts';
import { acknowledge } from './permissions.ts';
import { SHORT_STACK_ID, STACK_ID } from './stack-id.ts';

const MACHINES = join(import.meta.dirname, '..', 'statemachines');

/** What CDK must know of the function of a step beyond its list. */
type StepFunction = Omit<FunctionOptions, 'calledBy' | 'timeoutSeconds'>;

/** The functions of a machine's own steps, by its list: none is missing, and none is too many. */
export type StepFunctions<List extends Steps> = Readonly<Record<OwnStep<List>, StepFunction>>;
type OwnStep<List extends Steps> = {
  [Name in keyof List]: List[Name] extends { readonly sharedWith: string } ? never : Name;
}[keyof List];

interface LifeboatMachineOptions {
  /** Of its directory below `statemachines`. */
  readonly name: string;
  readonly steps: Steps;
  readonly functions: Readonly<Record<string, StepFunction>>;
  /** The machines with which it shares functions. */
  readonly others?: readonly LifeboatMachine[];
  /** For whoever is woken by an execution that failed, or took too long: what it means, and where to look first. */
  readonly meanings: { readonly failed: string; readonly timedOut: string };
}

/** A machine from its file as it is, with the function of every step: role, logs, tracing and alarms come with it. */
export abstract class LifeboatMachine extends Construct {
  readonly machine: StateMachine;
  /** Those of its own and those that it shares. */
  readonly steps: ReadonlyMap<string, LifeboatFunction>;
  protected readonly machineName: string;
  readonly #name: string;

  protected constructor(scope: Construct, id: string, surroundings: Surroundings, options: LifeboatMachineOptions) {
    super(scope, id);
    const { name, steps } = options;
    const { deployment } = surroundings;
    this.#name = name;
    // A machine that is deleted keeps its name until its last execution has ended.
    this.machineName = `${deployment.stackName}-${name}-${SHORT_STACK_ID}`;
    this.steps = new Map(
      Object.entries(steps).map(([step, list]) => [step, this.#functionOf(step, list, surroundings, options)]),
    );
    const role = this.#createRole();
    const file = join(MACHINES, name, 'machine.asl.json');
    this.machine = new StateMachine(this, 'Machine', {
      stateMachineName: this.machineName,
      definitionBody: DefinitionBody.fromFile(file),
      definitionSubstitutions: this.#substitutions(readFileSync(file, 'utf8')),
      role,
      tracingEnabled: deployment.tracing,
      logs: {
        destination: this.#createLogGroup(surroundings),
        level: LogLevel.ERROR,
        includeExecutionData: false,
      },
    });
    this.#acknowledgeFindings(role, deployment.tracing);
    this.#addAlarms(surroundings, options.meanings);
  }

  #functionOf(
    step: string,
    { timeoutSeconds, sharedWith }: Step,
    surroundings: Surroundings,
    { functions, others = [] }: LifeboatMachineOptions,
  ): LifeboatFunction {
    const own = functions[step];
    const other = others.find((machine) => machine.#name === sharedWith);
    if (other !== undefined) return other.step(step);
    if (own === undefined) throw new Error(`nothing is known of the function of ${this.#name}'s step ${step}`);
    return new LifeboatFunction(this, step, surroundings, { ...own, timeoutSeconds, calledBy: 'machine' });
  }

  /** The function of a step. */
  step(name: string): LifeboatFunction {
    const step = this.steps.get(name);
    if (step === undefined) throw new Error(`${this.#name} has no function ${name}`);
    return step;
  }

  /** From a file the machine gets no rights of its own. */
  #createRole(): Role {
    const role = new Role(this, 'Role', {
      assumedBy: new ServicePrincipal('states.amazonaws.com', {
        conditions: { StringEquals: { 'aws:SourceAccount': Aws.ACCOUNT_ID } },
      }),
      description: `Lifeboat: the machine ${this.#name} calls the functions of its steps`,
    });
    for (const step of this.steps.values()) step.permitCalls(role);
    return role;
  }

  /** A placeholder without a function, and a function without a placeholder, is a mistake. */
  #substitutions(definition: string): Record<string, string> {
    const functions = Object.fromEntries(
      [...this.steps].map(([name, step]) => [placeholderOf(name), step.version.functionArn]),
    );
    const found = [...definition.matchAll(/\$\{(\w+)\}/g)].map(([, name = '']) => name);
    const placeholders = new Set(found);
    const unmatched = [
      ...[...placeholders].filter((name) => functions[name] === undefined),
      ...Object.keys(functions).filter((name) => !placeholders.has(name)),
    ];
    if (unmatched.length > 0) throw new Error(`${this.#name} and its functions differ: ${unmatched.join(', ')}`);
    return functions;
  }

  /** Step Functions writes to groups of this name without an entry in the account's policy for logs, which is short. */
  #createLogGroup({ deployment: { logRetentionDays } }: Surroundings): KeptLogGroup {
    const name = `/aws/vendedlogs/states/${Stack.of(this).stackName}-${this.#name}-${STACK_ID}`;
    return new KeptLogGroup(this, 'Logs', { days: logRetentionDays, name });
  }

  #acknowledgeFindings(role: Role, tracing: boolean): void {
    acknowledge(
      role,
      'IAM5[Resource::*]',
      'The delivery of logs and X-Ray know no resources for the actions that Step Functions needs.',
    );
    acknowledge(
      this.machine,
      'SF1',
      'Errors are logged; all events of a run over thousands of control planes would cost more than the run. The history of an execution keeps them for 90 days, and the store what its operation did.',
    );
    if (!tracing) acknowledge(this.machine, 'SF2', 'Tracing was turned off in the configuration.');
  }

  #addAlarms({ alarms }: Surroundings, { failed, timedOut }: LifeboatMachineOptions['meanings']): void {
    alarms.add(this, 'FailedAlarm', { metric: this.machine.metricFailed(), description: failed });
    alarms.add(this, 'TimedOutAlarm', { metric: this.machine.metricTimedOut(), description: timedOut });
  }
}
