import { Duration, Size } from 'aws-cdk-lib';
import type { IEventBus } from 'aws-cdk-lib/aws-events';
import { Effect, PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import {
  Architecture,
  Code,
  Function,
  LoggingFormat,
  Runtime,
  Tracing,
  type ILayerVersion,
  type IVersion,
} from 'aws-cdk-lib/aws-lambda';
import { Construct } from 'constructs';
import { pascalCase } from '../statemachines/description/pascal-case.ts';
import type { Configuration } from '../lambdas/domain/configuration.ts';
import type { Deployment } from '../lambdas/domain/deployment.ts';
import type { Purpose } from '../lambdas/domain/purpose.ts';
import type { Alarms } from './alarms.ts';
import { CONFIGURATION_FILE } from './configuration-layer.ts';
import { DeadLetterQueue } from './dead-letter-queue.ts';
import { KeptLogGroup } from './kept-log-group.ts';
import { grantKubeconfigs } from './kubeconfig-secrets.ts';
import type { Network } from './network.ts';
import { permit } from './permissions.ts';
import type { RecoveryPointBucket, StoreAccess } from './recovery-point-bucket.ts';
import { OUTLIVES_ITS_STACK } from './removal.ts';

/** What all functions of the application have in common. */
export interface Surroundings {
  readonly configuration: Configuration;
  readonly deployment: Deployment;
  /** The directory of each function's code, by its name. */
  readonly bundles: Readonly<Record<string, string>>;
  readonly layer: ILayerVersion;
  readonly store: RecoveryPointBucket;
  readonly bus: IEventBus;
  readonly alarms: Alarms;
  readonly network: Network | undefined;
}

export interface FunctionOptions {
  readonly description: string;
  readonly timeoutSeconds: number;
  readonly memoryMegabytes: number;
  /** For spooling; Lambda's own 512 when left out. */
  readonly temporaryMegabytes?: number;
  /** So many at once, and no more; unlimited and unreserved when left out. */
  readonly reservedConcurrency?: number | null;
  /** Who calls it: the machine waits for the answer, whereas what events start is retried and at last kept in a queue. */
  readonly calledBy: 'machine' | 'events';
  readonly store?: StoreAccess;
  /** Reaches the management clusters, by the kubeconfigs for this. */
  readonly kubeconfigs?: Purpose;
  /** Publishes events on the application's bus. */
  readonly publishes?: boolean;
}

/** Of the file `lambdas/handlers/<name>.ts`: role, log group, queue and alarms come with it, so that none is forgotten. */
export class LifeboatFunction extends Construct {
  readonly name: string;
  readonly function: Function;
  /** Of what events start: keeps what was given up, wherever on its way. */
  readonly undelivered: DeadLetterQueue | undefined;
  readonly role: Role;
  readonly kubeconfigs: Purpose | undefined;

  constructor(scope: Construct, name: string, surroundings: Surroundings, options: FunctionOptions) {
    super(scope, pascalCase(name));
    const { bundles, layer, store, bus, configuration, deployment, network, alarms } = surroundings;
    this.name = name;
    const directory = bundles[name];
    if (directory === undefined) throw new Error(`there is no bundle of function ${name}: lambdas/handlers/${name}.ts`);
    this.role = new Role(this, 'Role', {
      assumedBy: new ServicePrincipal('lambda.amazonaws.com'),
      description: `Lifeboat: ${options.description}`,
    });
    const logGroup = new KeptLogGroup(this, 'Logs', { days: deployment.logRetentionDays });
    permit(this.role, {
      actions: ['logs:CreateLogStream', 'logs:PutLogEvents'],
      resources: [logGroup.logGroupArn],
    });
    store.grant(this.role, options.store ?? {});
    this.kubeconfigs = options.kubeconfigs;
    if (this.kubeconfigs !== undefined) grantKubeconfigs(this.role, configuration, this.kubeconfigs);
    if (options.publishes === true) {
      permit(this.role, { actions: ['events:PutEvents'], resources: [bus.eventBusArn] });
    }
    if (deployment.tracing) this.#permitTracing();
    if (network !== undefined) this.#permitInterfaces();
    if (options.calledBy === 'events')
      this.undelivered = new DeadLetterQueue(this, 'Undelivered', { what: name, alarms });
    this.function = new Function(this, 'Function', {
      description: options.description,
      runtime: Runtime.NODEJS_24_X,
      architecture: Architecture.ARM_64,
      code: Code.fromAsset(directory),
      handler: 'index.handler',
      role: this.role,
      layers: [layer],
      timeout: Duration.seconds(options.timeoutSeconds),
      memorySize: options.memoryMegabytes,
      ...(options.temporaryMegabytes !== undefined && {
        ephemeralStorageSize: Size.mebibytes(options.temporaryMegabytes),
      }),
      ...(typeof options.reservedConcurrency === 'number' && {
        reservedConcurrentExecutions: options.reservedConcurrency,
      }),
      environment: {
        LIFEBOAT_STORE: store.location,
        LIFEBOAT_CONFIGURATION_FILE: CONFIGURATION_FILE,
        LIFEBOAT_EVENT_BUS: bus.eventBusName,
        NODE_OPTIONS: '--enable-source-maps',
      },
      logGroup,
      loggingFormat: LoggingFormat.JSON,
      tracing: deployment.tracing ? Tracing.ACTIVE : Tracing.DISABLED,
      ...(network !== undefined && {
        vpc: network.vpc,
        vpcSubnets: network.vpcSubnets,
        securityGroups: network.securityGroups,
      }),
      ...(this.undelivered !== undefined && { deadLetterQueue: this.undelivered }),
      currentVersionOptions: {
        // An execution may go on for a day, and be redriven for two weeks: it calls the versions with which it began.
        removalPolicy: OUTLIVES_ITS_STACK,
        // Lambda's own order of an event: two more attempts, and given up before the next one is due.
        ...(this.undelivered !== undefined && { retryAttempts: 2, maxEventAge: Duration.hours(1) }),
      },
    });
  }

  /** What is called: its code, configuration and environment stay as they are, whatever is deployed later. */
  get version(): IVersion {
    return this.function.currentVersion as IVersion;
  }

  /** Lets a role call it in every version: who began before a deployment goes on with the one that was there then. */
  permitCalls(role: Role): void {
    permit(role, {
      actions: ['lambda:InvokeFunction'],
      resources: [`${this.function.functionArn}:*`],
      wildcardReason: 'What began before a deployment goes on with the versions that were there then.',
    });
  }

  /** Tells the function something that only it needs to know. */
  tell(variable: string, value: string): void {
    this.function.addEnvironment(variable, value);
  }

  #permitTracing(): void {
    permit(this.role, {
      actions: ['xray:PutTraceSegments', 'xray:PutTelemetryRecords'],
      resources: ['*'],
      wildcardReason: 'X-Ray knows no resources for these actions.',
    });
  }

  #permitInterfaces(): void {
    const actions = [
      'ec2:CreateNetworkInterface',
      'ec2:DescribeNetworkInterfaces',
      'ec2:DescribeSubnets',
      'ec2:DeleteNetworkInterface',
      'ec2:AssignPrivateIpAddresses',
      'ec2:UnassignPrivateIpAddresses',
    ];
    permit(this.role, {
      actions,
      resources: ['*'],
      wildcardReason: 'Lambda makes the network interfaces of functions in a VPC, and demands these actions on all.',
    });
    // Lambda does it, not the code: only calls of the code name their function.
    const conditions = { Null: { 'lambda:SourceFunctionArn': 'false' } };
    this.role.addToPolicy(new PolicyStatement({ effect: Effect.DENY, actions, resources: ['*'], conditions }));
  }
}
