import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CreateEventBusCommand, EventBridgeClient } from '@aws-sdk/client-eventbridge';
import { CreateScheduleCommand, CreateScheduleGroupCommand, SchedulerClient } from '@aws-sdk/client-scheduler';
import { SecretsManagerClient, CreateSecretCommand } from '@aws-sdk/client-secrets-manager';
import {
  CreateStateMachineCommand,
  DescribeExecutionCommand,
  ListExecutionsCommand,
  SFNClient,
} from '@aws-sdk/client-sfn';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadMachine, runMachine, type Steps } from '../../../bin/local/machine.ts';
import { configurationSchema, type Configuration } from '../../../lambdas/domain/configuration.ts';
import { METRIC_NAMESPACE, METRICS } from '../../../lambdas/domain/metrics.ts';
import { PURPOSES } from '../../../lambdas/domain/purpose.ts';
import { manifestKey, type RecoveryPointAddress } from '../../../lambdas/domain/recovery-point.ts';
import { parseControlPlaneName } from '../../../lambdas/domain/control-plane.ts';
import { bundleFunctions } from '../../../lib/bundles.ts';
import { startMoto, type MotoServer } from '../../contract/aws/moto-server.ts';
import { FunctionError, importMilliseconds, LambdaFunctionProcess } from '../../suite/lambda-function.ts';
import type { Workspace } from '../../suite/lifeboat.ts';
import type { HostedCluster } from '../../testbed/hypershift/hosted-cluster.ts';
import { BUSYBOX_IMAGE } from '../../testbed/images.ts';
import type { ManagementCluster } from '../../testbed/management-cluster.ts';
import { objectCreated, scheduleFired } from '../../unit/handlers/aws-events.ts';
import {
  createBucket,
  enrolledKubeconfig,
  plantHostedCluster,
  retireHostedCluster,
  s3Workspace,
  SETUP_TIMEOUT_MILLISECONDS,
  sharedBed,
} from '../bed.ts';

const NAMESPACE = 'functions';
const CONTROL_PLANE = `mgmt-a/${NAMESPACE}/prod`;
const SLOT = '2026-01-02T03:00:00Z';
const GROUP = 'lifeboat';
const SECRETS = {
  backup: 'lifeboat/management-clusters/mgmt-a',
  restore: 'lifeboat/management-clusters/mgmt-a-restore',
};
const POLICIES = { nightly: { select: { namespaces: [NAMESPACE] }, schedule: '@daily', retention: { daily: 7 } } };

let directory: string;
let moto: MotoServer;
let hosted: HostedCluster;
let workspace: Workspace;
let bucket: string;
let environment: Record<string, string>;
let directories: Readonly<Record<string, string>>;
const functions = new Map<string, LambdaFunctionProcess>();

beforeAll(async () => {
  const bed = await sharedBed();
  const [cluster] = bed.clusters;
  directory = await mkdtemp(join(tmpdir(), 'lifeboat-functions-'));
  ({ directories } = bundleFunctions(join(directory, 'bundles')));
  moto = await startMoto();
  hosted = await plantHostedCluster(cluster, { namespace: NAMESPACE, name: 'prod', members: 1, etcdVersion: '3.6.5' });
  bucket = await createBucket(bed, 'functions');
  workspace = await s3Workspace(bed, bucket, {}, POLICIES);
  const { endpoint, region, accessKeyId, secretAccessKey } = bed.s3;
  const configuration: Configuration = configurationSchema.parse({
    store: 's3://named-by-the-stack',
    s3: { endpoint, region, forcePathStyle: true },
    managementClusters: { [cluster.name]: { secret: SECRETS.backup, restore: { secret: SECRETS.restore } } },
    policies: POLICIES,
    restore: { helperImage: BUSYBOX_IMAGE },
  });
  await writeFile(join(directory, 'configuration.json'), JSON.stringify(configuration));
  environment = {
    AWS_REGION: region,
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
    AWS_ENDPOINT_URL: moto.endpoint,
    LIFEBOAT_STORE: `s3://${bucket}/lifeboat`,
    LIFEBOAT_CONFIGURATION_FILE: join(directory, 'configuration.json'),
    LIFEBOAT_EVENT_BUS: 'lifeboat',
    LIFEBOAT_SCHEDULE_GROUP: GROUP,
    LIFEBOAT_STATE_MACHINE_ARN: await prepareAws(region, cluster),
  };
}, SETUP_TIMEOUT_MILLISECONDS);

afterAll(async () => {
  await Promise.all([...functions.values()].map((running) => running.stop()));
  await retireHostedCluster(hosted);
  await workspace.remove();
  await moto.stop();
  await rm(directory, { recursive: true });
}, SETUP_TIMEOUT_MILLISECONDS);

/** What the stack makes in an account, as far as the functions touch it; gives the ARN of the state machine. */
async function prepareAws(region: string, cluster: ManagementCluster): Promise<string> {
  const settings = { region, endpoint: moto.endpoint };
  const schedules = new SchedulerClient(settings);
  const machines = new SFNClient(settings);
  const secrets = new SecretsManagerClient(settings);
  for (const purpose of PURPOSES) {
    const SecretString = await readFile(await enrolledKubeconfig(cluster, purpose), 'utf8');
    await secrets.send(new CreateSecretCommand({ Name: SECRETS[purpose], SecretString }));
  }
  await new EventBridgeClient(settings).send(new CreateEventBusCommand({ Name: 'lifeboat' }));
  await schedules.send(new CreateScheduleGroupCommand({ Name: GROUP }));
  await schedules.send(
    new CreateScheduleCommand({
      Name: 'nightly-1',
      GroupName: GROUP,
      ScheduleExpression: 'cron(0 0 * * ? *)',
      FlexibleTimeWindow: { Mode: 'OFF' },
      Target: {
        Arn: 'arn:aws:lambda:us-east-1:123456789012:function:start',
        RoleArn: 'arn:aws:iam::123456789012:role/r',
      },
    }),
  );
  const { stateMachineArn = '' } = await machines.send(
    new CreateStateMachineCommand({
      name: 'back-up-fleet',
      // moto keeps executions and runs none: the test runs the real machine.
      definition: JSON.stringify({ StartAt: 'Wait', States: { Wait: { Type: 'Succeed' } } }),
      roleArn: 'arn:aws:iam::123456789012:role/machine',
    }),
  );
  return stateMachineArn;
}

/** The running bundle of a function, started when it is first asked for. */
async function functionNamed(name: string): Promise<LambdaFunctionProcess> {
  const running = functions.get(name) ?? (await LambdaFunctionProcess.start(directories[name] ?? '', environment));
  functions.set(name, running);
  return running;
}

async function invoke(name: string, event: unknown): Promise<unknown> {
  return await (await functionNamed(name)).invoke(event);
}

/** What the one execution of a name was started with. */
async function inputOfExecution(name: string): Promise<string> {
  const machines = new SFNClient({ region: environment['AWS_REGION'] ?? '', endpoint: moto.endpoint });
  const stateMachineArn = environment['LIFEBOAT_STATE_MACHINE_ARN'] ?? '';
  const { executions = [] } = await machines.send(new ListExecutionsCommand({ stateMachineArn }));
  const found = executions.filter((execution) => execution.name === name);
  expect(found).toHaveLength(1);
  const { executionArn = '' } = found[0] ?? {};
  const { input = '' } = await machines.send(new DescribeExecutionCommand({ executionArn }));
  return input;
}

/** Functions by the names that the machine gives them: `TakeSnapshot` for `take-snapshot`. */
function bundledSteps(): Steps<undefined> {
  return Object.fromEntries(
    Object.keys(directories).map((name) => [
      name.replace(/(?:^|-)(.)/g, (_, letter: string) => letter.toUpperCase()),
      { run: (event: unknown) => invoke(name, event) as never },
    ]),
  );
}

describe('the bundles of the functions, started outside the repository by a Runtime API', () => {
  it('run a policy from the event of its schedule to its report, and the same event again adds nothing', async () => {
    const started = { runId: 'nightly-20260102T030000Z', outcome: 'started' };
    expect(await invoke('start-policy-run', scheduleFired('nightly', SLOT))).toEqual(started);
    await invoke('start-policy-run', scheduleFired('nightly', SLOT));
    const input = await inputOfExecution(started.runId);

    const machine = loadMachine('back-up-fleet');
    await runMachine(machine, JSON.parse(input) as object, bundledSteps(), () => undefined);
    const points = (await workspace.json(['list', CONTROL_PLANE])) as { recoveryPoints: { verdict: string }[] };
    expect(points.recoveryPoints).toMatchObject([{ verdict: 'verified', reason: 'scheduled' }]);
    await runMachine(machine, JSON.parse(input) as object, bundledSteps(), () => undefined);
    expect(await workspace.json(['list', CONTROL_PLANE])).toEqual(points);
  }, 240_000);

  it('restore what was backed up, with the machine started by a small JSON', async () => {
    await hosted.kubectl(['create', 'namespace', 'later']);
    const operation = 'restore-by-functions';
    const input = { operation, controlPlane: CONTROL_PLANE, point: 'latest-verified' };
    await runMachine(loadMachine('restore-control-plane'), input, bundledSteps(), () => undefined);
    expect(await workspace.json(['operation', operation])).toMatchObject({
      result: { outcome: 'restored', failure: null },
    });
    await hosted.waitUntilReady();
    expect(await hosted.kubectl(['get', 'namespaces', '--output=name'])).not.toContain('later');
  }, 600_000);

  it('start the next part of a run, and once is enough', async () => {
    const part = { policy: 'nightly', slot: SLOT, firstPage: 12 };
    const started = { execution: 'nightly-20260102T030000Z-12' };
    expect(await invoke('start-next-part', part)).toEqual(started);
    expect(await invoke('start-next-part', part)).toEqual(started);
    expect(JSON.parse(await inputOfExecution(started.execution))).toEqual(part);
  }, 60_000);

  it('verify a recovery point when S3 tells of its manifest, and once is enough', async () => {
    const { id } = (await workspace.json(['backup', CONTROL_PLANE])) as { id: string };
    const address: RecoveryPointAddress = {
      platform: 'hypershift',
      controlPlane: parseControlPlaneName(CONTROL_PLANE),
      id,
    };
    const event = objectCreated(bucket, `lifeboat/${manifestKey(address)}`);
    expect(await invoke('verify-arrived-point', event)).toEqual({ verdict: 'verified', id });
    const proofs = await workspace.json(['show', id]);
    expect(await invoke('verify-arrived-point', event)).toEqual({ verdict: 'verified', id });
    expect(await workspace.json(['show', id])).toEqual(proofs);
    expect(await invoke('verify-arrived-point', objectCreated(bucket, 'lifeboat/notes.txt'))).toEqual({
      ignored: `s3://${bucket}/lifeboat/notes.txt is no manifest of ours`,
    });
  }, 180_000);

  it('report how the policies stand, with the metrics that the alarms look at', async () => {
    expect(await invoke('report-status', { source: 'aws.scheduler' })).toMatchObject({
      policies: [{ policy: 'nightly', controlPlanes: 1, failing: false, beyondObjective: [], problems: [] }],
    });
    const { output } = await functionNamed('report-status');
    const line = output.split('\n').find((text) => text.includes('_aws')) ?? '{}';
    const { _aws, ...values } = JSON.parse(line) as { _aws: { CloudWatchMetrics: { Namespace: string }[] } };
    expect(_aws.CloudWatchMetrics[0]?.Namespace).toBe(METRIC_NAMESPACE);
    expect(Object.keys(values)).toEqual(
      expect.arrayContaining(['Policy', ...Object.values(METRICS).map(({ name }) => name)]),
    );
  }, 60_000);

  it('refuse an event that they do not understand, by a name that the machine can match', async () => {
    const refused = Object.keys(directories)
      .filter((name) => name !== 'report-status')
      .map((name) => expect(invoke(name, { nonsense: true })).rejects.toMatchObject({ name: 'ConfigurationError' }));
    await Promise.all(refused);
    await expect(invoke('read-page', { runId: 'never-run', page: 0 })).rejects.toBeInstanceOf(FunctionError);
  }, 120_000);

  it('all have served; their sizes and the time of their first import', () => {
    expect([...functions.keys()].sort()).toEqual(Object.keys(directories).sort());
    const lines = [...functions].map(
      ([name, running]) => `${name}: imported in ${importMilliseconds(running).toFixed(0)} ms`,
    );
    process.stdout.write(`${lines.sort().join('\n')}\n`);
    expect([...functions.values()].every((running) => importMilliseconds(running) > 0)).toBe(true);
  });
});
