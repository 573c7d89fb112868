import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { GetObjectCommand, ListObjectVersionsCommand } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { RestoreResult } from '../../../lambdas/domain/restore.ts';
import { plantSecrets } from '../../suite/planted-secrets.ts';
import type { Workspace } from '../../suite/lifeboat.ts';
import type { Bed } from '../../testbed/bed.ts';
import { requireCommand } from '../../testbed/command.ts';
import type { HostedCluster } from '../../testbed/hypershift/hosted-cluster.ts';
import type { ManagementCluster } from '../../testbed/management-cluster.ts';
import { TcpProxy } from '../../testbed/tcp-proxy.ts';
import {
  createBucket,
  plantHostedCluster,
  retireHostedCluster,
  s3Workspace,
  SETUP_TIMEOUT_MILLISECONDS,
  sharedBed,
} from '../bed.ts';

const NAMESPACE = 'by-url';
const MEMBERS = 3;
/** What every pre-signed URL holds, and nothing else does. */
const MARK = 'X-Amz-Signature=';

let bed: Bed;
let cluster: ManagementCluster;
let hosted: HostedCluster;
let gateway: TcpProxy;
let bucket: string;
let workspace: Workspace;
let controlPlane: string;

beforeAll(async () => {
  bed = await sharedBed();
  [cluster] = bed.clusters;
  await plantSecrets([MARK]);
  hosted = await plantHostedCluster(cluster, {
    namespace: NAMESPACE,
    name: 'of-3',
    members: MEMBERS,
    etcdVersion: '3.6.5',
  });
  controlPlane = `${cluster.name}/${NAMESPACE}/of-3`;
  // The bed's S3 listens on loopback, where no pod can reach it.
  const { hostAddress } = cluster.network;
  gateway = await TcpProxy.start({ host: '127.0.0.1', port: Number(new URL(bed.s3.endpoint).port) }, hostAddress);
  bucket = await createBucket(bed, 'by-url');
  const endpoint = `http://${hostAddress}:${gateway.port}`;
  workspace = await s3Workspace(bed, bucket, { endpoint, purpose: 'restore', transfer: 'presigned-url' });
  await hosted.kubectl(['create', 'namespace', 'shop']);
  await workspace.json(['backup', controlPlane]);
  await hosted.kubectl(['delete', 'namespace', 'shop']);
}, SETUP_TIMEOUT_MILLISECONDS);
afterAll(async () => {
  await workspace.remove();
  await gateway.stop();
  await retireHostedCluster(hosted);
}, SETUP_TIMEOUT_MILLISECONDS);

/** Every state of every helper pod while the work goes on, as JSON. */
async function podsDuring<T>(work: () => Promise<T>): Promise<{ result: T; pods: string }> {
  const watch = spawn(cluster.kubectlPath, [
    ...['get', 'pods', '-n', hosted.controlPlaneNamespace, '-l', 'app.kubernetes.io/managed-by=lifeboat'],
    ...['--watch', '-o', 'json', '--kubeconfig', cluster.kubeconfigPath],
  ]);
  let pods = '';
  watch.stdout.setEncoding('utf8').on('data', (text: string) => (pods += text));
  try {
    return { result: await work(), pods };
  } finally {
    const closed = once(watch, 'close');
    watch.kill();
    await closed;
  }
}

/** What lies in the bucket, former versions included, by the key that the store gives it. */
async function readBucket(): Promise<Map<string, string>> {
  const client = bed.s3.createClient();
  try {
    const { Versions = [] } = await client.send(new ListObjectVersionsCommand({ Bucket: bucket }));
    const read = Versions.map(async ({ Key = '', VersionId }) => {
      const { Body } = await client.send(new GetObjectCommand({ Bucket: bucket, Key, VersionId }));
      return [Key.replace('lifeboat/', ''), (await Body?.transformToString()) ?? ''] as const;
    });
    return new Map(await Promise.all(read));
  } finally {
    client.destroy();
  }
}

/** What the management cluster tells of the control plane's namespace: events too keep what pods have said. */
async function eventsOfNamespace(): Promise<string> {
  const { controlPlaneNamespace } = hosted;
  return await requireCommand(cluster.kubectlPath, [
    ...['get', 'events', '-n', controlPlaneNamespace, '-o', 'json', '--kubeconfig', cluster.kubeconfigPath],
  ]);
}

describe(`a restore of ${MEMBERS} members by pre-signed URLs`, () => {
  it('brings back what was deleted, and leaves neither a staged file nor a URL anywhere', async () => {
    const { result: outcome, pods } = await podsDuring(() =>
      workspace.run(['restore', controlPlane, '--latest-verified', '--yes', '--json']),
    );
    const { result } = JSON.parse(outcome.stdout) as { result: RestoreResult };
    expect(result).toMatchObject({ outcome: 'restored', failure: null });
    await hosted.waitUntilReady();
    expect(await hosted.kubectl(['get', 'namespaces', '-o', 'name'])).toContain('namespace/shop');

    for (let member = 0; member < MEMBERS; member += 1) {
      expect(pods).toContain(`"name": "lifeboat-${result.operation}-prepare-etcd-${member}"`);
    }
    const objects = await readBucket();
    expect([...objects.keys()]).toContain(`restores/${result.operation}/staged.json`);
    expect([...objects.keys()].filter((key) => key.startsWith('staging/'))).toEqual([]);
    const told = { pods, ...outcome, events: await eventsOfNamespace(), ...Object.fromEntries(objects) };
    const telling = Object.entries(told).filter(([, text]) => String(text).includes(MARK));
    expect(telling.map(([where]) => where)).toEqual([]);
  }, 600_000);
});
