import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ArnFormat, Aws, Fn, Stack } from 'aws-cdk-lib';
import { Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { DefinitionBody, LogLevel, StateMachine } from 'aws-cdk-lib/aws-stepfunctions';
import { Construct } from 'constructs';
import type { Deployment } from '../lambdas/domain/deployment.ts';
import { KeptLogGroup } from './kept-log-group.ts';
import { LifeboatFunction, pascalCase, type FunctionOptions, type Surroundings } from './lifeboat-function.ts';
import { acknowledge, permit } from './permissions.ts';
import { KEYS } from './recovery-point-bucket.ts';

const MACHINE_FILE = join(import.meta.dirname, '..', 'statemachines', 'back-up-fleet', 'machine.asl.json');

/** 1769 MB is one whole CPU (Lambda User Guide, "Configure Lambda function memory"). */
const ONE_CPU_MEGABYTES = 1769;

/** Without cluster or snapshot: what counts is a quick start. */
const SMALL = { timeoutSeconds: 60, memoryMegabytes: 512 };

/** What verifying a recovery point takes, whoever asks for it: a snapshot is spooled to a file that is walked at random. */
export const VERIFICATION = {
  timeoutSeconds: 900,
  memoryMegabytes: ONE_CPU_MEGABYTES,
  temporaryMegabytes: 10_240,
  kubeconfigs: true,
  publishes: true,
} as const;

const { points, manifests, proofs, pins, operations, locks, policies } = KEYS;

/** The steps of the machine, by the names of their functions, with no more rights than each needs. */
const STEPS: Readonly<Record<string, Omit<FunctionOptions, 'calledBy'>>> = {
  'plan-run': {
    description: 'Lists the control planes that a policy selects',
    timeoutSeconds: 900,
    memoryMegabytes: 1024,
    kubeconfigs: true,
    store: { read: [operations], write: [operations] },
  },
  'read-page': { description: 'Gives one page of the plan of a run', ...SMALL, store: { read: [operations] } },
  'lock-control-plane': {
    description: 'Takes the lock of a control plane',
    ...SMALL,
    store: { read: [locks], write: [locks] },
  },
  'take-snapshot': {
    description: 'Takes a recovery point; it can delete nothing and shorten no lock',
    timeoutSeconds: 900,
    memoryMegabytes: ONE_CPU_MEGABYTES,
    kubeconfigs: true,
    store: { read: [points, operations, locks], write: [operations, locks], upload: [points] },
  },
  'verify-recovery-point': {
    description: 'Reads a recovery point back and adds its proofs',
    ...VERIFICATION,
    store: { read: [points, operations, locks], write: [proofs, operations, locks] },
  },
  'apply-retention': {
    description:
      'Deletes recovery points that no rule keeps; it can read no snapshot, write none and touch no locked one',
    timeoutSeconds: 900,
    memoryMegabytes: 512,
    store: { read: [manifests, proofs, pins, locks], write: [locks], remove: [points] },
  },
  'release-control-plane': {
    description: 'Gives the lock of a control plane back',
    ...SMALL,
    store: { read: [locks], write: [locks] },
  },
  'record-page': {
    description: 'Keeps what became of the control planes of a page',
    ...SMALL,
    store: { read: [operations], write: [operations] },
  },
  'start-next-part': { description: 'Starts the execution that goes on with the rest of a run', ...SMALL },
  'report-run': {
    description: 'Puts the result of a run together and announces it',
    timeoutSeconds: 300,
    memoryMegabytes: 512,
    publishes: true,
    store: { read: [operations, policies], write: [operations, policies] },
  },
};

/** The machine `back-up-fleet`, from its file as it is, with the function of every step. */
export class BackUpFleet extends Construct {
  readonly machine: StateMachine;
  readonly steps: ReadonlyMap<string, LifeboatFunction>;

  constructor(scope: Construct, id: string, surroundings: Surroundings) {
    super(scope, id);
    const { deployment } = surroundings;
    this.steps = new Map(
      Object.entries(STEPS).map(([name, options]) => {
        const reservedConcurrency = name === 'take-snapshot' ? deployment.snapshotConcurrency : null;
        const all = { ...options, reservedConcurrency, calledBy: 'machine' } as const;
        return [name, new LifeboatFunction(this, name, surroundings, all)];
      }),
    );
    const machineName = `${deployment.stackName}-back-up-fleet`;
    this.#letGoOn(machineName);
    const role = new Role(this, 'Role', {
      assumedBy: new ServicePrincipal('states.amazonaws.com', {
        conditions: { StringEquals: { 'aws:SourceAccount': Aws.ACCOUNT_ID } },
      }),
      description: 'Lifeboat: the machine back-up-fleet calls the functions of its steps',
    });
    // From a file the machine gets no rights of its own.
    const resources = [...this.steps.values()].map((step) => step.function.functionArn);
    permit(role, { actions: ['lambda:InvokeFunction'], resources });
    this.machine = new StateMachine(this, 'Machine', {
      stateMachineName: machineName,
      definitionBody: DefinitionBody.fromFile(MACHINE_FILE),
      definitionSubstitutions: this.#substitutions(),
      role,
      tracingEnabled: deployment.tracing,
      logs: {
        destination: this.#logGroup(deployment.logRetentionDays),
        level: LogLevel.ERROR,
        includeExecutionData: false,
      },
    });
    this.#acknowledgeFindings(role, deployment.tracing);
    this.#addAlarms(surroundings);
  }

  /** By the machine's name: the machine refers to the function, so that the function can't refer to the machine. */
  #letGoOn(machineName: string): void {
    const machineArn = Stack.of(this).formatArn({
      service: 'states',
      resource: 'stateMachine',
      resourceName: machineName,
      arnFormat: ArnFormat.COLON_RESOURCE_NAME,
    });
    const starter = this.#step('start-next-part');
    starter.tell('LIFEBOAT_STATE_MACHINE_ARN', machineArn);
    permit(starter.role, { actions: ['states:StartExecution'], resources: [machineArn] });
  }

  #step(name: keyof typeof STEPS): LifeboatFunction {
    const step = this.steps.get(name);
    if (step === undefined) throw new Error(`back-up-fleet has no function ${name}`);
    return step;
  }

  /** A placeholder without a function, and a function without a placeholder, is a mistake. */
  #substitutions(): Record<string, string> {
    const functions = Object.fromEntries(
      [...this.steps].map(([name, step]) => [`${pascalCase(name)}FunctionArn`, step.function.functionArn]),
    );
    const found = [...readFileSync(MACHINE_FILE, 'utf8').matchAll(/\$\{(\w+)\}/g)].map(([, name = '']) => name);
    const placeholders = new Set(found);
    const unmatched = [
      ...[...placeholders].filter((name) => functions[name] === undefined),
      ...Object.keys(functions).filter((name) => !placeholders.has(name)),
    ];
    if (unmatched.length > 0) throw new Error(`back-up-fleet and its functions differ: ${unmatched.join(', ')}`);
    return functions;
  }

  /** Step Functions writes to groups of this name without an entry in the account's policy for logs, which is short. */
  #logGroup(days: Deployment['logRetentionDays']): KeptLogGroup {
    // The name ends in the stack's own id, for the group outlives the stack.
    const stackId = Fn.select(2, Fn.split('/', Aws.STACK_ID));
    const name = `/aws/vendedlogs/states/${Stack.of(this).stackName}-back-up-fleet-${stackId}`;
    return new KeptLogGroup(this, 'Logs', { days, name });
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
      'Errors are logged; all events of a run over thousands of control planes would cost more than the run, and its history keeps them for 90 days.',
    );
    if (!tracing) acknowledge(this.machine, 'SF2', 'Tracing was turned off in the configuration.');
  }

  #addAlarms({ alarms }: Surroundings): void {
    const description =
      'A run of a policy did not back up every control plane. Its execution and lifeboat status say which.';
    alarms.add(this, 'FailedAlarm', { metric: this.machine.metricFailed(), description });
    alarms.add(this, 'TimedOutAlarm', {
      metric: this.machine.metricTimedOut(),
      description: 'A run of a policy, or a part of it, took longer than a day and was ended.',
    });
  }
}
