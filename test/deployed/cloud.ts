import { CloudFormationClient, paginateListStackResources } from '@aws-sdk/client-cloudformation';
import { IAMClient, paginateGetAccountAuthorizationDetails } from '@aws-sdk/client-iam';
import { InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda';
import { S3Client } from '@aws-sdk/client-s3';
import { GetScheduleCommand, ListSchedulesCommand, SchedulerClient } from '@aws-sdk/client-scheduler';
import { ListSecretsCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import {
  DescribeExecutionCommand,
  DescribeStateMachineCommand,
  paginateGetExecutionHistory,
  SFNClient,
} from '@aws-sdk/client-sfn';
import { CreateQueueCommand, DeleteMessageCommand, ReceiveMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { waitFor } from '../testbed/waiting.ts';
import { ACCOUNT, REGION } from './localstack.ts';
import { parsePolicy, type Statement } from './iam-policies.ts';
import type { IamRequest } from './iam-requests.ts';

/** Whoever deploys, and looks on. */
export const DEPLOYER = { AWS_ACCESS_KEY_ID: 'deployer', AWS_SECRET_ACCESS_KEY: 'of-nobody' };

/** A role of the stack, as it was deployed. */
export interface DeployedRole {
  /** As the construct is called: `BackUpFleetTakeSnapshot`. */
  readonly name: string;
  readonly statements: readonly Statement[];
}

interface ScheduledTarget {
  readonly functionArn: string;
  readonly roleArn: string;
  /** With what Scheduler puts in place of its context attributes still to be put there. */
  readonly input: string;
}

/** What a service asks for when it calls a function by a role. */
export function invocation(roleArn: string, functionArn: string): IamRequest {
  const role = roleArn.slice(roleArn.lastIndexOf('/') + 1);
  return { role, action: 'lambda:InvokeFunction', resource: functionArn, context: {} };
}

/** The account behind LocalStack as its owner sees it. */
export class Cloud {
  readonly s3: S3Client;
  readonly #settings: object;
  readonly #machines: SFNClient;
  readonly #queues: SQSClient;
  readonly #schedules: SchedulerClient;

  constructor(endpoint: string) {
    const credentials = {
      accessKeyId: DEPLOYER.AWS_ACCESS_KEY_ID,
      secretAccessKey: DEPLOYER.AWS_SECRET_ACCESS_KEY,
    };
    this.#settings = { endpoint, region: REGION, credentials };
    this.s3 = new S3Client({ ...this.#settings, forcePathStyle: true });
    this.#machines = new SFNClient(this.#settings);
    this.#queues = new SQSClient({ ...this.#settings, useQueueUrlAsEndpoint: false });
    this.#schedules = new SchedulerClient(this.#settings);
  }

  /** Physical names of a stack's resources by their logical ones. */
  async resources(stackName: string): Promise<ReadonlyMap<string, string>> {
    const found = new Map<string, string>();
    const client = new CloudFormationClient(this.#settings);
    for await (const page of paginateListStackResources({ client }, { StackName: stackName })) {
      for (const { LogicalResourceId = '', PhysicalResourceId = '' } of page.StackResourceSummaries ?? []) {
        found.set(LogicalResourceId, PhysicalResourceId);
      }
    }
    return found;
  }

  /** The roles of a stack with all they may do, by their physical names. */
  async roles(stackName: string): Promise<ReadonlyMap<string, DeployedRole>> {
    const logical = new Map([...(await this.resources(stackName))].map(([id, name]) => [name, id]));
    const roles = new Map<string, DeployedRole>();
    const managed = new Map<string, Statement[]>();
    const attached = new Map<string, string[]>();
    const client = new IAMClient(this.#settings);
    const Filter = ['Role' as const, 'LocalManagedPolicy' as const];
    for await (const page of paginateGetAccountAuthorizationDetails({ client }, { Filter })) {
      for (const { Arn = '', PolicyVersionList = [] } of page.Policies ?? []) {
        const version = PolicyVersionList.find(({ IsDefaultVersion }) => IsDefaultVersion);
        managed.set(Arn, parsePolicy(decodeURIComponent(version?.Document ?? '')));
      }
      for (const { RoleName = '', RolePolicyList = [], AttachedManagedPolicies = [] } of page.RoleDetailList ?? []) {
        const id = logical.get(RoleName);
        if (id === undefined) continue;
        const documents = RolePolicyList.map(({ PolicyDocument = '' }) => decodeURIComponent(PolicyDocument));
        roles.set(RoleName, {
          name: id.replace(/Role[0-9A-F]{8}$/, ''),
          statements: documents.flatMap(parsePolicy),
        });
        attached.set(
          RoleName,
          AttachedManagedPolicies.map(({ PolicyArn = '' }) => PolicyArn),
        );
      }
    }
    return new Map(
      [...roles].map(([role, { name, statements }]) => {
        const others = (attached.get(role) ?? []).flatMap((arn) => managed.get(arn) ?? []);
        return [role, { name, statements: [...statements, ...others] }];
      }),
    );
  }

  /** What the schedule of a name calls. */
  async scheduledTarget(name: string): Promise<ScheduledTarget> {
    const { Schedules = [] } = await this.#schedules.send(new ListSchedulesCommand({ NamePrefix: name }));
    const [found, ...others] = Schedules;
    if (found === undefined || others.length > 0) throw new Error(`${Schedules.length} schedules ${name}`);
    const { Name, GroupName } = found;
    const { Target } = await this.#schedules.send(new GetScheduleCommand({ Name, GroupName }));
    return { functionArn: Target?.Arn ?? '', roleArn: Target?.RoleArn ?? '', input: Target?.Input ?? '' };
  }

  /** Invokes a function as Scheduler does: it does not wait for the answer. */
  async fire({ functionArn, input }: ScheduledTarget, scheduledTime: string): Promise<void> {
    const Payload = input.replaceAll('<aws.scheduler.scheduled-time>', scheduledTime);
    const client = new LambdaClient(this.#settings);
    await client.send(new InvokeCommand({ FunctionName: functionArn, InvocationType: 'Event', Payload }));
  }

  get machines(): SFNClient {
    return this.#machines;
  }

  /** Waits until an execution has ended, and gives how. */
  async endOf(machineArn: string, execution: string, timeoutSeconds: number): Promise<string> {
    const executionArn = this.#executionArn(machineArn, execution);
    return await waitFor(
      `the end of ${executionArn}`,
      async () => {
        const { status } = await this.#machines
          .send(new DescribeExecutionCommand({ executionArn }))
          .catch((error: unknown) => {
            // It is begun by a function that may not have run yet.
            if ((error as Error).name === 'ExecutionDoesNotExist') return { status: undefined };
            throw error;
          });
        return status === 'RUNNING' ? undefined : status;
      },
      { timeoutSeconds, intervalMilliseconds: 500 },
    );
  }

  /** The invocations of functions that an execution has made, by its machine's role. */
  async invocationsBy(machineArn: string, execution: string): Promise<IamRequest[]> {
    const executionArn = this.#executionArn(machineArn, execution);
    const { roleArn = '' } = await this.#machines.send(
      new DescribeStateMachineCommand({ stateMachineArn: machineArn }),
    );
    const called = new Set<string>();
    for await (const { events = [] } of paginateGetExecutionHistory({ client: this.#machines }, { executionArn })) {
      for (const { lambdaFunctionScheduledEventDetails: details } of events) {
        if (details?.resource !== undefined) called.add(details.resource);
      }
    }
    return [...called].map((functionArn) => invocation(roleArn, functionArn));
  }

  #executionArn(machineArn: string, execution: string): string {
    return `${machineArn.replace(':stateMachine:', ':execution:')}:${execution}`;
  }

  /** ARNs of secrets by their names. */
  async secrets(): Promise<ReadonlyMap<string, string>> {
    const client = new SecretsManagerClient(this.#settings);
    const { SecretList = [] } = await client.send(new ListSecretsCommand({ MaxResults: 100 }));
    return new Map(SecretList.map(({ Name = '', ARN = '' }) => [Name, ARN]));
  }

  /** Creates a queue of the user's own, for a hook. */
  async createQueue(name: string): Promise<{ readonly arn: string; readonly url: string }> {
    const { QueueUrl: url = '' } = await this.#queues.send(new CreateQueueCommand({ QueueName: name }));
    return { arn: `arn:aws:sqs:${REGION}:${ACCOUNT}:${name}`, url };
  }

  /** Takes messages from a queue until one is as wanted, which it gives. */
  async receive<T>(url: string, isWanted: (message: T) => boolean): Promise<T> {
    return await waitFor(
      `a message in ${url}`,
      async () => {
        const { Messages = [] } = await this.#queues.send(
          new ReceiveMessageCommand({ QueueUrl: url, MaxNumberOfMessages: 10, WaitTimeSeconds: 2 }),
        );
        for (const { ReceiptHandle } of Messages) {
          await this.#queues.send(new DeleteMessageCommand({ QueueUrl: url, ReceiptHandle }));
        }
        return Messages.map(({ Body = '' }) => JSON.parse(Body) as T).find(isWanted);
      },
      { timeoutSeconds: 60 },
    );
  }
}
