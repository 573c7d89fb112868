import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ListObjectVersionsCommand } from '@aws-sdk/client-s3';
import { StartExecutionCommand } from '@aws-sdk/client-sfn';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { METRIC_NAMESPACE, METRICS } from '../../lambdas/domain/metrics.ts';
import { PURPOSES } from '../../lambdas/domain/purpose.ts';
import { plantHostedCluster, retireHostedCluster, SETUP_TIMEOUT_MILLISECONDS, sharedBed } from '../e2e/bed.ts';
import { Workspace, type WorkspaceConfiguration } from '../suite/lifeboat.ts';
import type { HostedCluster } from '../testbed/hypershift/hosted-cluster.ts';
import { BUSYBOX_IMAGE } from '../testbed/images.ts';
import type { ManagementCluster } from '../testbed/management-cluster.ts';
import { recordAwsCalls, type AwsCalls } from './aws-calls.ts';
import { Cdk } from './cdk.ts';
import { Cloud, DEPLOYER, invocation, type DeployedRole } from './cloud.ts';
import { FunctionHost } from './function-host.ts';
import { ACCOUNT, REGION, startLocalStack, URL_SUFFIX, type LocalStack } from './localstack.ts';
import type { IamRequest } from './iam-requests.ts';
import { findUnused, judgeCalls } from './rights.ts';

const STACK = 'lifeboat';
const BUCKET = 'lifeboat-deployed-points';
// As the sample inputs of the machines have it.
const CONTROL_PLANE = 'mgmt-a/clusters/prod';
const SECRETS = {
  backup: 'lifeboat/management-clusters/mgmt-a',
  restore: 'lifeboat/restores/mgmt-a',
};
const SAMPLE_INPUT = join(import.meta.dirname, '../../statemachines/restore-control-plane/inputs/newest-point.json');
const DEPLOYMENT_MILLISECONDS = 900_000;
const RUN_MILLISECONDS = 600_000;

const NIGHTLY = {
  select: { namespaces: ['clusters'] },
  schedule: '0 3 * * *',
  retention: { last: 1, minimumVerified: 1 },
};

let cluster: ManagementCluster;
let hosted: HostedCluster;
let localStack: LocalStack;
let calls: AwsCalls;
let functions: FunctionHost;
let cloud: Cloud;
let cdk: Cdk;
let workspace: Workspace;
let queue: { readonly arn: string; readonly url: string };
/** Of all deployments, by their physical names. */
const roles = new Map<string, DeployedRole>();
/** What services have called by roles of the stack. */
const invocations: IamRequest[] = [];
let outputs: Readonly<Record<string, string>> = {};
let keyArn = '';
/** Name of the point that the first run has taken. */
let firstPoint = '';

beforeAll(async () => {
  const bed = await sharedBed();
  [cluster] = bed.clusters;
  hosted = await plantHostedCluster(cluster, { namespace: 'clusters', name: 'prod', members: 1, etcdVersion: '3.6.5' });
  functions = await FunctionHost.start(() => calls.endpoint);
  localStack = await startLocalStack(functions.url);
  calls = await recordAwsCalls(localStack.endpoint);
  cloud = new Cloud(localStack.endpoint);
  queue = await cloud.createQueue('heard');
  workspace = await Workspace.create(configuration({ nightly: NIGHTLY }, { bucketName: BUCKET }), {
    ...DEPLOYER,
    AWS_ENDPOINT_URL: localStack.endpoint,
    AWS_REGION: REGION,
  });
  cdk = new Cdk(localStack.endpoint, workspace.directory);
}, SETUP_TIMEOUT_MILLISECONDS);

afterAll(async () => {
  await functions.stop();
  await calls.stop();
  await localStack.stop();
  await workspace.remove();
  await retireHostedCluster(hosted);
}, SETUP_TIMEOUT_MILLISECONDS);

function configuration(policies: Readonly<Record<string, object>>, aws: object): WorkspaceConfiguration {
  return {
    store: `s3://${BUCKET}`,
    managementClusters: { 'mgmt-a': { secret: SECRETS.backup, restore: { secret: SECRETS.restore } } },
    policies,
    restore: { helperImage: BUSYBOX_IMAGE },
    hooks: [{ on: ['RecoveryPointVerified', 'PolicyRunFinished'], sqs: queue.arn }],
    aws: { stackName: STACK, ...aws },
  };
}

async function deploy(): Promise<void> {
  outputs = await cdk.deploy(STACK);
  for (const [name, role] of await cloud.roles(STACK)) roles.set(name, role);
}

/** Physical name of the one resource whose logical name begins so. */
async function physicalName(prefix: string): Promise<string> {
  const found = [...(await cloud.resources(STACK))].filter(([id]) => new RegExp(`^${prefix}[0-9A-F]{8}$`).test(id));
  expect(found).toHaveLength(1);
  return found[0]?.[1] ?? '';
}

function output(name: string): string {
  return outputs[name] ?? '';
}

/** Does what Scheduler does when the time of a schedule comes. */
async function fire(schedule: string, time: string): Promise<void> {
  const target = await cloud.scheduledTarget(schedule);
  invocations.push(invocation(target.roleArn, target.functionArn));
  await cloud.fire(target, time);
}

/** Waits for the end of an execution, and gives how it ended. */
async function endOf(machineArn: string, execution: string): Promise<string> {
  const status = await cloud.endOf(machineArn, execution, RUN_MILLISECONDS / 1000);
  invocations.push(...(await cloud.invocationsBy(machineArn, execution)));
  return status;
}

/** Lets the time of a policy come, and gives how its run ended. */
async function runPolicy(policy: string, slot: string): Promise<string> {
  await fire(`${policy}-1`, slot);
  return await endOf(output('Machine'), `${policy}-${slot.replace(/[-:]/g, '')}`);
}

interface Listed {
  readonly recoveryPoints: readonly { readonly id: string; readonly verdict: string; readonly reason: string }[];
}

async function points(): Promise<Listed['recoveryPoints']> {
  const { recoveryPoints } = (await workspace.json(['list', CONTROL_PLANE])) as Listed;
  return recoveryPoints;
}

async function versionsOf(id: string): Promise<string[]> {
  const { Versions = [], DeleteMarkers = [] } = await cloud.s3.send(
    new ListObjectVersionsCommand({ Bucket: BUCKET, Prefix: `recovery-points/hypershift/${CONTROL_PLANE}/${id}/` }),
  );
  return [...Versions, ...DeleteMarkers].map(({ Key = '' }) => Key);
}

interface Heard {
  readonly 'detail-type': string;
  readonly detail: { readonly id?: string; readonly runId?: string; readonly status?: string };
}

describe('the application, deployed with the command line of the CDK', () => {
  it(
    'is there, with the outputs that the documents name',
    async () => {
      await cdk.bootstrap();
      await deploy();
      expect(outputs).toMatchObject({
        Store: `s3://${BUCKET}`,
        Machine: expect.stringContaining(':stateMachine:'),
        RestoreMachine: expect.stringContaining(':stateMachine:'),
        EventBus: expect.stringContaining(':event-bus/'),
      });
      keyArn = `arn:aws:kms:${REGION}:${ACCOUNT}:key/${await physicalName('RecoveryPointsKey')}`;
    },
    DEPLOYMENT_MILLISECONDS,
  );

  it('finds the kubeconfigs where enroll has put them', async () => {
    for (const purpose of PURPOSES) {
      const admin = ['--apply', '--kubeconfig', cluster.kubeconfigPath];
      await workspace.json(['enroll', 'mgmt-a', '--for', purpose, ...admin, '--secret', SECRETS[purpose]]);
    }
    expect([...(await cloud.secrets()).keys()].sort()).toEqual(Object.values(SECRETS).sort());
  }, 120_000);

  it(
    'backs up a control plane when its schedule fires, and tells the hook',
    async () => {
      expect(await runPolicy('nightly', '2026-01-02T03:00:00Z')).toBe('SUCCEEDED');
      const [point, ...others] = await points();
      expect([point?.verdict, point?.reason, others]).toEqual(['verified', 'scheduled', []]);
      firstPoint = point?.id ?? '';
      const isOfRun = ({ detail }: Heard) => detail.runId === 'nightly-20260102T030000Z';
      expect((await cloud.receive(queue.url, isOfRun)).detail).toMatchObject({ status: 'succeeded' });
    },
    RUN_MILLISECONDS,
  );

  it(
    'verifies a recovery point because S3 tells of its manifest, whoever has put it there',
    async () => {
      const { id } = (await workspace.json(['backup', CONTROL_PLANE])) as { id: string };
      const isOfPoint = ({ detail, 'detail-type': type }: Heard) =>
        type === 'RecoveryPointVerified' && detail.id === id;
      await cloud.receive(queue.url, isOfPoint);
      const answers = functions.invocationsOf(await physicalName('ArrivalsVerifyArrivedPointFunction'));
      expect(answers.map(({ answer }) => answer)).toContainEqual({
        isError: false,
        payload: expect.objectContaining({ verdict: 'verified', id }),
      });
      expect(answers.map(({ event }) => event)).toContainEqual(
        expect.objectContaining({ 'detail-type': 'Object Created' }),
      );
    },
    RUN_MILLISECONDS,
  );

  it(
    'restores when the machine is started with the sample input',
    async () => {
      await hosted.kubectl(['create', 'namespace', 'later']);
      const input = await readFile(SAMPLE_INPUT, 'utf8');
      const name = 'restore-1';
      const stateMachineArn = output('RestoreMachine');
      await cloud.machines.send(new StartExecutionCommand({ stateMachineArn, name, input }));
      expect(await endOf(stateMachineArn, name)).toBe('SUCCEEDED');
      expect(await workspace.json(['operation', name])).toMatchObject({
        result: { outcome: 'restored', failure: null },
      });
      await hosted.waitUntilReady();
      expect(await hosted.kubectl(['get', 'namespaces', '--output=name'])).not.toContain('later');
    },
    RUN_MILLISECONDS,
  );

  it(
    'deletes every version of what retention lets go',
    async () => {
      expect(await versionsOf(firstPoint)).not.toEqual([]);
      expect(await runPolicy('nightly', '2026-01-03T03:00:00Z')).toBe('SUCCEEDED');
      expect(await versionsOf(firstPoint)).toEqual([]);
      const deletions = calls.calls.filter(({ service, method }) => service === 's3' && method === 'DELETE');
      const ofPoint = deletions.filter(({ url }) => url.pathname.includes(firstPoint));
      expect(ofPoint.length).toBeGreaterThan(0);
      expect(ofPoint.filter(({ url }) => !url.searchParams.has('versionId'))).toEqual([]);
    },
    RUN_MILLISECONDS,
  );

  it('judges its policies, and prints the metrics that alarms look at', async () => {
    const report = await physicalName('ObservabilityReportStatusFunction');
    await fire(await physicalName('ObservabilitySchedule'), '2026-01-03T03:15:00Z');
    const { answer } = await functions.invocationOf(report);
    expect(answer).toMatchObject({ isError: false, payload: { policies: [{ policy: 'nightly', problems: [] }] } });
    const [line = ''] = functions.linesOf(report, '"_aws"');
    const { _aws, ...values } = JSON.parse(line) as { _aws: { CloudWatchMetrics: { Namespace: string }[] } };
    expect(_aws.CloudWatchMetrics[0]?.Namespace).toBe(METRIC_NAMESPACE);
    expect(values).toMatchObject({
      Policy: 'nightly',
      [METRICS.beyondObjective.name]: 0,
      [METRICS.failing.name]: 0,
      [METRICS.credentialsNearExpiry.name]: 0,
    });
  }, 120_000);

  it(
    'takes up a changed configuration',
    async () => {
      await workspace.configure(
        configuration({ hourly: { ...NIGHTLY, schedule: '@hourly', objectLock: { days: 1 } } }, { bucketName: BUCKET }),
      );
      await deploy();
      await expect(cloud.scheduledTarget('nightly-1')).rejects.toThrow('0 schedules');
      expect(await runPolicy('hourly', '2026-01-03T04:00:00Z')).toBe('SUCCEEDED');
    },
    DEPLOYMENT_MILLISECONDS,
  );

  it('lets each function call what it calls, and nothing unasked for', async () => {
    const account = {
      region: REGION,
      urlSuffix: URL_SUFFIX,
      keyArn,
      secrets: await cloud.secrets(),
      buses: new Map([[STACK, output('EventBus')]]),
    };
    const { requests, denied } = judgeCalls(calls.calls, invocations, roles, account);
    expect(requests.length).toBeGreaterThan(100);
    expect(denied).toEqual([]);
    expect(findUnused(requests, roles)).toEqual({ unexplained: [], idle: [] });
  });

  it(
    'is destroyed, and deployed again on its old bucket lists its points',
    async () => {
      const before = await points();
      await cdk.destroy();
      const existing = { existingBucket: BUCKET, kmsKeyArn: keyArn };
      await workspace.configure(configuration({ nightly: NIGHTLY }, existing));
      await deploy();
      expect(output('Store')).toBe(`s3://${BUCKET}`);
      expect(before.length).toBeGreaterThan(1);
      expect(await points()).toEqual(before);
      expect(await runPolicy('nightly', '2026-01-04T03:00:00Z')).toBe('SUCCEEDED');
    },
    DEPLOYMENT_MILLISECONDS,
  );
});
