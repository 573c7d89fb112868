import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  CreateEventBusCommand,
  EventBridgeClient,
  PutRuleCommand,
  PutTargetsCommand,
} from '@aws-sdk/client-eventbridge';
import { CreateScheduleCommand, CreateScheduleGroupCommand, SchedulerClient } from '@aws-sdk/client-scheduler';
import {
  CreateSecretCommand,
  DeleteSecretCommand,
  DescribeSecretCommand,
  GetSecretValueCommand,
  ListSecretVersionIdsCommand,
  PutSecretValueCommand,
  SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager';
import { CreateStateMachineCommand, ListExecutionsCommand, SFNClient, StopExecutionCommand } from '@aws-sdk/client-sfn';
import { EventBridgeSchedules } from '../../../lambdas/aws/event-bridge-schedules.ts';
import { StepFunctionsExecutions } from '../../../lambdas/aws/step-functions-executions.ts';
import { ConfigurationError, NotFoundError } from '../../../lambdas/domain/errors.ts';
import type { EventDetail } from '../../../lambdas/domain/events.ts';
import { Secret } from '../../../lambdas/domain/secret.ts';
import { EventBridgeEvents } from '../../../lambdas/events/event-bridge-events.ts';
import {
  describedCredentialsEndAt,
  secretsManagerKubeconfigs,
  storeKubeconfigSecret,
} from '../../../lambdas/kube/secrets-manager-kubeconfigs.ts';
import { plantSecrets } from '../../suite/planted-secrets.ts';
import { startHttpFaultProxy } from '../../testbed/http-fault-proxy.ts';
import { withEnvironment } from '../environment.ts';
import { startMoto, type MotoServer } from './moto-server.ts';

const REGION = 'eu-west-1';
const ACCOUNT = '123456789012';
const RUN: EventDetail<'PolicyRunFinished'> = {
  version: 1,
  runId: 'nightly-20260102T030405Z',
  policy: 'nightly',
  slot: '2026-01-02T03:04:05Z',
  status: 'partial',
  counts: { verified: 2, failed: 1, skipped: 0 },
  unreachableManagementClusters: ['prod-ü'],
};

let moto: MotoServer;
beforeAll(async () => {
  moto = await startMoto();
  // As in production: the SDK finds everything in its default chain.
  Object.assign(process.env, {
    AWS_ENDPOINT_URL: moto.endpoint,
    AWS_REGION: REGION,
    AWS_ACCESS_KEY_ID: 'AKIAIOSFODNN7EXAMPLE',
    AWS_SECRET_ACCESS_KEY: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
  });
}, 900_000);
afterAll(() => moto.stop());

describe('events on a bus of EventBridge', () => {
  let queueUrl: string;

  /** SQS without a client of its own; moto looks only at the service that the signature is for. */
  async function askQueue(action: string, body: object): Promise<Record<string, unknown>> {
    const response = await fetch(moto.endpoint, {
      method: 'POST',
      headers: {
        authorization: `AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20260102/${REGION}/sqs/aws4_request`,
        'content-type': 'application/x-amz-json-1.0',
        'x-amz-target': `AmazonSQS.${action}`,
      },
      body: JSON.stringify(body),
    });
    expect(response.status).toBe(200);
    return (await response.json()) as Record<string, unknown>;
  }

  async function receiveEvents(): Promise<unknown[]> {
    const { Messages = [] } = (await askQueue('ReceiveMessage', {
      QueueUrl: queueUrl,
      MaxNumberOfMessages: 10,
    })) as { Messages?: { Body: string }[] };
    return Messages.map(({ Body }) => JSON.parse(Body) as unknown);
  }

  beforeAll(async () => {
    const { QueueUrl } = await askQueue('CreateQueue', { QueueName: 'events' });
    queueUrl = QueueUrl as string;
    const client = new EventBridgeClient({});
    await client.send(new CreateEventBusCommand({ Name: 'lifeboat' }));
    await client.send(
      new PutRuleCommand({
        Name: 'ours',
        EventBusName: 'lifeboat',
        EventPattern: JSON.stringify({ source: ['lifeboat'], 'detail-type': ['PolicyRunFinished'] }),
      }),
    );
    const target = { Id: 'queue', Arn: `arn:aws:sqs:${REGION}:${ACCOUNT}:events` };
    await client.send(new PutTargetsCommand({ Rule: 'ours', EventBusName: 'lifeboat', Targets: [target] }));
    client.destroy();
  });

  it('arrive where a rule sends them, with source, type and every detail', async () => {
    await new EventBridgeEvents('lifeboat').publish({ type: 'PolicyRunFinished', detail: RUN });
    expect(await receiveEvents()).toEqual([
      expect.objectContaining({ source: 'lifeboat', 'detail-type': 'PolicyRunFinished', detail: RUN }),
    ]);
  });

  it('arrive although the first answer was lost', async () => {
    const proxy = await startHttpFaultProxy(moto.endpoint);
    try {
      proxy.inject({ when: () => true, times: 1, fault: { kind: 'drop-after' } });
      await withEnvironment({ AWS_ENDPOINT_URL: proxy.endpoint }, () =>
        new EventBridgeEvents('lifeboat', { limits: { firstWaitMilliseconds: 1 } }).publish({
          type: 'PolicyRunFinished',
          detail: { ...RUN, runId: 'twice' },
        }),
      );
    } finally {
      await proxy.stop();
    }
    const events = await receiveEvents();
    expect(events).toHaveLength(2);
    expect(events[1]).toHaveProperty('detail.runId', 'twice');
  });

  it('are refused whole when they are too large, before they are sent', async () => {
    const detail = { ...RUN, unreachableManagementClusters: ['ü'.repeat(524_288)] };
    const publishing = new EventBridgeEvents('lifeboat').publish({ type: 'PolicyRunFinished', detail });
    await expect(publishing).rejects.toThrow(ConfigurationError);
    await expect(publishing).rejects.toThrow(/PolicyRunFinished has 1048\d{3} bytes/);
    await expect(publishing).rejects.toHaveProperty('remedy', expect.stringContaining('Split the policy'));
    expect(await receiveEvents()).toEqual([]);
  });

  it('are refused for a bus that does not exist, where the service says so', async () => {
    const publishing = new EventBridgeEvents('missing').publish({ type: 'PolicyRunFinished', detail: RUN });
    await expect(publishing).rejects.toThrow(NotFoundError);
    await expect(publishing).rejects.toThrow(/publish PolicyRunFinished to event bus missing: it does not exist/);
  });
});

describe('executions of a state machine', () => {
  const executions = () => new StepFunctionsExecutions();
  let client: SFNClient;
  let arn: string;

  beforeAll(async () => {
    client = new SFNClient({});
    const { stateMachineArn = '' } = await client.send(
      new CreateStateMachineCommand({
        name: 'back-up-fleet',
        definition: JSON.stringify({ StartAt: 'Wait', States: { Wait: { Type: 'Wait', Seconds: 60, End: true } } }),
        roleArn: `arn:aws:iam::${ACCOUNT}:role/machine`,
      }),
    );
    arn = stateMachineArn;
  });
  afterAll(() => {
    client.destroy();
  });

  async function executionsNamed(name: string): Promise<string[]> {
    const { executions: found = [] } = await client.send(new ListExecutionsCommand({ stateMachineArn: arn }));
    return found.filter((execution) => execution.name === name).map(({ executionArn = '' }) => executionArn);
  }

  it('are one for one name and input, however often it is started', async () => {
    const input = { policy: 'nightly', slot: '2026-01-02T03:04:05Z' };
    expect(await executions().start(arn, 'nightly-1', input)).toBe('started');
    expect(await executions().start(arn, 'nightly-1', input)).toBe('started');
    expect(await executionsNamed('nightly-1')).toHaveLength(1);
  });

  it('are known to be started already once they have ended', async () => {
    await executions().start(arn, 'nightly-2', { slot: 2 });
    const [executionArn] = await executionsNamed('nightly-2');
    await client.send(new StopExecutionCommand({ executionArn }));
    expect(await executions().start(arn, 'nightly-2', { slot: 2 })).toBe('already-started');
    expect(await executionsNamed('nightly-2')).toEqual([executionArn]);
  });

  it('are known to be started already when the input differs', async () => {
    expect(await executions().start(arn, 'nightly-3', { slot: 3 })).toBe('started');
    expect(await executions().start(arn, 'nightly-3', { slot: 4 })).toBe('already-started');
    expect(await executionsNamed('nightly-3')).toHaveLength(1);
  });

  it.each(['', 'with space', 'a/b', 'ü', 'a'.repeat(81)])('have no such name: "%s"', async (name) => {
    await expect(executions().start(arn, name, {})).rejects.toThrow(ConfigurationError);
  });

  it('take the longest name', async () => {
    expect(await executions().start(arn, 'a'.repeat(80), {})).toBe('started');
  });

  it('need a state machine', async () => {
    const missing = executions().start(arn.replace('back-up-fleet', 'missing'), 'nightly-4', {});
    await expect(missing).rejects.toThrow(NotFoundError);
    await expect(missing).rejects.toThrow(/stateMachine:missing: it does not exist \(StateMachineDoesNotExist/);
    const nonsense = executions().start('nonsense', 'nightly-4', {});
    await expect(nonsense).rejects.toThrow(ConfigurationError);
  });
});

describe('schedules of EventBridge Scheduler', () => {
  /** More than the hundred that a page has. */
  const COUNT = 130;
  const nameOf = (index: number): string => `policy-${index}`;

  beforeAll(async () => {
    const client = new SchedulerClient({});
    await client.send(new CreateScheduleGroupCommand({ Name: 'lifeboat' }));
    const create = async (GroupName: string, index: number): Promise<void> => {
      await client.send(
        new CreateScheduleCommand({
          GroupName,
          Name: nameOf(index),
          State: index % 2 === 0 ? 'ENABLED' : 'DISABLED',
          ScheduleExpression: 'rate(1 day)',
          FlexibleTimeWindow: { Mode: 'OFF' },
          Target: {
            Arn: `arn:aws:lambda:${REGION}:${ACCOUNT}:function:start-policy-run`,
            RoleArn: `arn:aws:iam::${ACCOUNT}:role/scheduler`,
          },
        }),
      );
    };
    for (let index = 0; index < COUNT; index += 1) await create('lifeboat', index);
    await create('default', COUNT);
    client.destroy();
  });

  it('are all listed over several pages, enabled or not, and those of the group alone', async () => {
    const proxy = await startHttpFaultProxy(moto.endpoint);
    try {
      const listed = await withEnvironment({ AWS_ENDPOINT_URL: proxy.endpoint }, () =>
        Array.fromAsync(new EventBridgeSchedules().list('lifeboat')),
      );
      expect(proxy.requests.length).toBeGreaterThan(1);
      const expected = Array.from({ length: COUNT }, (_, index) => ({
        name: nameOf(index),
        enabled: index % 2 === 0,
      }));
      const byName = (left: { name: string }, right: { name: string }) => left.name.localeCompare(right.name);
      expect(listed.sort(byName)).toEqual(expected.sort(byName));
    } finally {
      await proxy.stop();
    }
  });
});

describe('kubeconfigs in Secrets Manager', () => {
  const NAME = 'lifeboat/management-clusters/prod';
  const planted = (word: string): Secret => new Secret(`kubeconfig with planted-${word}-0123456789`);
  let client: SecretsManagerClient;

  beforeAll(async () => {
    client = new SecretsManagerClient({});
    await plantSecrets(['first', 'second', 'other'].map((word) => planted(word).reveal()));
  });
  afterAll(() => {
    client.destroy();
  });

  it('are read as they were stored, and stored over, with the former kept and our tag', async () => {
    await storeKubeconfigSecret(NAME, planted('first'));
    const first = await secretsManagerKubeconfigs().read(NAME);
    expect(first.text.reveal()).toBe(planted('first').reveal());
    expect(first.source).toBe(`secret ${NAME} of Secrets Manager`);

    await storeKubeconfigSecret(NAME, planted('second'));
    const { ARN = '', Tags } = await client.send(new DescribeSecretCommand({ SecretId: NAME }));
    expect((await secretsManagerKubeconfigs().read(ARN)).text.reveal()).toBe(planted('second').reveal());
    expect(Tags).toEqual([{ Key: 'lifeboat', Value: 'management-cluster' }]);
    const previous = await client.send(new GetSecretValueCommand({ SecretId: NAME, VersionStage: 'AWSPREVIOUS' }));
    expect(previous.SecretString).toBe(planted('first').reveal());
  });

  it('tell when their credentials end without being read, as long as nobody has replaced them by hand', async () => {
    const credentialsEndAt = new Date('2026-04-10T00:00:00Z');
    const later = new Date('2026-07-10T00:00:00Z');
    await storeKubeconfigSecret('ending', planted('first'), { credentialsEndAt });
    expect(await describedCredentialsEndAt('ending')).toEqual(credentialsEndAt);
    await storeKubeconfigSecret('ending', planted('second'), { credentialsEndAt: later });
    expect(await describedCredentialsEndAt('ending')).toEqual(later);
    await client.send(new PutSecretValueCommand({ SecretId: 'ending', SecretString: planted('other').reveal() }));
    expect(await describedCredentialsEndAt('ending')).toBeNull();
    await storeKubeconfigSecret('endless', planted('other'));
    expect(await describedCredentialsEndAt('endless')).toBeNull();
    await expect(describedCredentialsEndAt('missing')).rejects.toThrow(NotFoundError);
  });

  it('tag a secret that somebody else has made', async () => {
    const theirs = { Name: 'theirs', SecretString: 'x', Tags: [{ Key: 'team', Value: 'a' }] };
    await client.send(new CreateSecretCommand(theirs));
    await storeKubeconfigSecret('theirs', planted('other'));
    const { Tags } = await client.send(new DescribeSecretCommand({ SecretId: 'theirs' }));
    expect(Tags).toEqual(expect.arrayContaining([...theirs.Tags, { Key: 'lifeboat', Value: 'management-cluster' }]));
  });

  it('get one version when the answer to storing them was lost', async () => {
    const proxy = await startHttpFaultProxy(moto.endpoint);
    try {
      proxy.inject({ when: () => true, times: 1, fault: { kind: 'drop-after' } });
      await withEnvironment({ AWS_ENDPOINT_URL: proxy.endpoint }, () =>
        storeKubeconfigSecret('lost-answer', planted('other'), { limits: { firstWaitMilliseconds: 1 } }),
      );
    } finally {
      await proxy.stop();
    }
    const { Versions } = await client.send(new ListSecretVersionIdsCommand({ SecretId: 'lost-answer' }));
    expect(Versions).toHaveLength(1);
    expect((await secretsManagerKubeconfigs().read('lost-answer')).text.reveal()).toBe(planted('other').reveal());
  });

  it('are missing: said with what to do', async () => {
    const reading = secretsManagerKubeconfigs().read('missing');
    await expect(reading).rejects.toThrow(NotFoundError);
    await expect(reading).rejects.toThrow(/read secret missing of Secrets Manager: it does not exist/);
    await expect(reading).rejects.toHaveProperty('remedy', expect.stringContaining('AWS_REGION'));
  });

  it('are missing in another region', async () => {
    await storeKubeconfigSecret('here', planted('other'));
    await withEnvironment({ AWS_REGION: 'us-east-1' }, async () => {
      await expect(secretsManagerKubeconfigs().read('here')).rejects.toThrow(NotFoundError);
    });
  });

  it('are about to be deleted: said with what to do', async () => {
    await storeKubeconfigSecret('deleted', planted('other'));
    await client.send(new DeleteSecretCommand({ SecretId: 'deleted', RecoveryWindowInDays: 7 }));
    const reading = secretsManagerKubeconfigs().read('deleted');
    await expect(reading).rejects.toThrow(ConfigurationError);
    await expect(reading).rejects.toThrow(/secret deleted of Secrets Manager: it is scheduled for deletion/);
    await expect(reading).rejects.toHaveProperty('remedy', expect.stringContaining('restore-secret'));
  });

  it('are binary: said with what to do', async () => {
    await client.send(new CreateSecretCommand({ Name: 'binary', SecretBinary: Buffer.from([1, 2, 3]) }));
    await expect(secretsManagerKubeconfigs().read('binary')).rejects.toThrow(/holds binary data instead of text/);
  });
});
