/**
 * `npm run demo`: the main job on real clusters. Two management clusters run two hosted control planes; Lifeboat backs one
 * up from outside into S3 and proves it, then both by a policy, restores one, and refuses a damaged copy. Everything it starts is ended again, also on Ctrl-C.
 */
import { GetObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { join } from 'node:path';
import type { Manifest } from '../../lambdas/domain/recovery-point.ts';
import { s3Workspace } from '../e2e/bed.ts';
import { exitOf, type Workspace } from '../suite/lifeboat.ts';
import { downBed, upBed, type Bed } from '../testbed/bed.ts';
import { requireCommand } from '../testbed/command.ts';
import { etcdPrograms } from '../testbed/etcd.ts';
import { fillHostedEtcd } from '../testbed/hypershift/fill.ts';
import { createHostedCluster, type HostedCluster } from '../testbed/hypershift/hosted-cluster.ts';
import { installHyperShift } from '../testbed/hypershift/install.ts';
import { createReport } from '../testbed/progress.ts';

const INSTANCE = 'demo';
const BUCKET = 'demo';
const DATABASE_BYTES = 100 * 1024 * 1024;
const PROD = 'mgmt-a/clusters/prod';
const EDGE = 'mgmt-b/clusters/edge';
const POLICIES = { nightly: { schedule: '0 3 * * *', timeZone: 'Europe/Berlin', retention: { daily: 14, weekly: 8 } } };

const report = createReport((line) => {
  process.stdout.write(`${line}\n`);
});

class Interrupted extends Error {}

const interrupted = new Promise<never>((_, reject) => {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      reject(new Interrupted(signal));
    });
  }
});

try {
  await Promise.race([demonstrate(), interrupted]);
  report('Done. The same commands work on your clusters: README.md, "Use it".');
} catch (error) {
  report(`The demo failed: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
} finally {
  await downBed(INSTANCE, report);
}

async function demonstrate(): Promise<void> {
  report('Two management clusters: real API servers, kubelets, containerd and etcd, each in a network of its own');
  await downBed(INSTANCE, report);
  const bed = await upBed({ instance: INSTANCE, clusters: 2, report });
  const prod = await createControlPlanes(bed);
  await bed.s3.createBucket(BUCKET);
  const workspace = await s3Workspace(bed, BUCKET, { purpose: 'restore' }, POLICIES);
  try {
    await show(workspace, 'discover');
    await show(workspace, 'backup', PROD);
    const { recoveryPoints } = (await workspace.json(['list', PROD])) as { recoveryPoints: { id: string }[] };
    const [{ id } = { id: '' }] = recoveryPoints;
    await show(workspace, 'list');
    await show(workspace, 'show', id);
    await compareWithEtcdutl(workspace, id);
    report('And the whole fleet by a policy, with the state machine that Step Functions runs in AWS');
    await show(workspace, 'run', 'nightly');
    await show(workspace, 'status');
    await loseAndRestore(workspace, prod, id);
    await damage(bed, id);
    await show(workspace, 'verify', id);
    await show(workspace, 'status');
  } finally {
    await workspace.remove();
  }
}

async function createControlPlanes(bed: Bed): Promise<HostedCluster> {
  const [first, second] = bed.clusters;
  if (second === undefined) throw new Error('the bed has one management cluster only');
  report('HyperShift (a twin of its operator) on both, and a hosted control plane on each');
  await Promise.all([installHyperShift(first), installHyperShift(second)]);
  const [prod] = await Promise.all([
    createHostedCluster(first, {
      namespace: 'clusters',
      name: 'prod',
      members: 3,
      etcdVersion: '3.6.5',
      encryption: 'aescbc',
    }),
    createHostedCluster(second, { namespace: 'clusters', name: 'edge', members: 1, etcdVersion: '3.5.21' }),
  ]);
  report(`${PROD} (3 etcd members, Secrets encrypted) and ${EDGE} (1 member) answer; putting something into the first`);
  await prod.kubectl(['create', 'namespace', 'shop']);
  await prod.kubectl([
    'create',
    'secret',
    'generic',
    'payment',
    '--namespace=shop',
    '--from-literal=key=not-to-be-lost',
  ]);
  await fillHostedEtcd(prod, { databaseBytes: DATABASE_BYTES, seed: 1, tombstones: 100, leases: 10 });
  return prod;
}

async function loseAndRestore(workspace: Workspace, prod: HostedCluster, id: string): Promise<void> {
  report('Now somebody deletes the namespace shop of the hosted cluster');
  await prod.kubectl(['delete', 'namespace', 'shop']);
  await show(workspace, 'restore', PROD, '--point', id, '--dry-run');
  await show(workspace, 'restore', PROD, '--point', id, '--yes');
  await prod.waitUntilReady();
  const read = ['get', 'secret', 'payment', '--namespace=shop', '--output=jsonpath={.data.key}'];
  const payment = Buffer.from(await prod.kubectl(read), 'base64').toString();
  if (payment !== 'not-to-be-lost') throw new Error('the Secret is not what it was');
  report('shop is back, and its Secret is what it was');
}

/** Runs a command of Lifeboat as a person would, its output as it comes; what it finds is its exit code's business. */
async function show(workspace: Workspace, ...args: string[]): Promise<void> {
  report(`$ lifeboat ${args.join(' ')}`);
  const exitCode = await exitOf(workspace.start(args, 'inherit'));
  if (exitCode === 3) report('exit code 3: a person has to look');
  else if (exitCode !== 0) throw new Error(`lifeboat ${args.join(' ')} ended with ${exitCode}`);
}

async function compareWithEtcdutl(workspace: Workspace, id: string): Promise<void> {
  await show(workspace, 'export', id, '--to', 'prod.db');
  const etcdutl = join(await etcdPrograms('3.6.5'), 'etcdutl');
  report('$ etcdutl snapshot status prod.db --write-out table');
  const file = join(workspace.directory, 'prod.db');
  process.stdout.write(await requireCommand(etcdutl, ['snapshot', 'status', file, '--write-out', 'table']));
  const { datastores } = (await workspace.json(['show', id])) as Manifest;
  const told = JSON.parse(await requireCommand(etcdutl, ['snapshot', 'status', file, '--write-out', 'json'])) as {
    hash: number;
    revision: number;
    totalKey: number;
  };
  const [entry] = datastores;
  const agrees = told.hash === entry?.statusHash && told.revision === entry.revision && told.totalKey === entry.keys;
  if (!agrees) throw new Error('etcdutl and the manifest do not agree');
  report('etcdutl and our manifest agree on hash, revision and keys');
}

async function damage(bed: Bed, id: string): Promise<void> {
  report('Now somebody flips one bit of the stored snapshot');
  const client = bed.s3.createClient();
  const Key = `lifeboat/recovery-points/hypershift/${PROD}/${id}/etcd-main.db.zst`;
  try {
    const { Body } = await client.send(new GetObjectCommand({ Bucket: BUCKET, Key }));
    const bytes = Buffer.from((await Body?.transformToByteArray()) ?? []);
    const middle = Math.floor(bytes.length / 2);
    bytes.writeUInt8(bytes.readUInt8(middle) ^ 1, middle);
    await client.send(new PutObjectCommand({ Bucket: BUCKET, Key, Body: bytes }));
  } finally {
    client.destroy();
  }
}
