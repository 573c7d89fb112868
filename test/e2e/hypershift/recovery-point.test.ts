import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { zstdDecompressSync } from 'node:zlib';
import { manifestSchema, type Manifest } from '../../../lambdas/domain/recovery-point.ts';
import type { Workspace } from '../../suite/lifeboat.ts';
import type { Bed } from '../../testbed/bed.ts';
import { requireCommand } from '../../testbed/command.ts';
import { etcdPrograms } from '../../testbed/etcd.ts';
import type { HostedCluster } from '../../testbed/hypershift/hosted-cluster.ts';
import type { ManagementCluster } from '../../testbed/management-cluster.ts';
import {
  directoryWorkspace,
  plantHostedCluster,
  retireHostedCluster,
  SETUP_TIMEOUT_MILLISECONDS,
  sharedBed,
} from '../bed.ts';

const NAMESPACE = 'recovery-point';
const CONTROL_PLANE = `mgmt-a/${NAMESPACE}/prod.eu`;

let bed: Bed;
let cluster: ManagementCluster;
let hosted: HostedCluster;
let workspace: Workspace;

const take = async (): Promise<Manifest> => manifestSchema.parse(await workspace.json(['backup', CONTROL_PLANE]));
const fileOf = ({ id }: Manifest, name: string) =>
  join(workspace.directory, 'recovery-points/recovery-points/hypershift', CONTROL_PLANE, id, name);

beforeAll(async () => {
  bed = await sharedBed();
  [cluster] = bed.clusters;
  hosted = await plantHostedCluster(cluster, {
    namespace: NAMESPACE,
    name: 'prod.eu',
    members: 3,
    etcdVersion: '3.6.5',
    encryption: 'aescbc',
  });
  await hosted.kubectl(['create', 'secret', 'generic', 'kept', '--from-literal=password=encrypted-at-rest-value']);
  workspace = await directoryWorkspace(bed);
}, SETUP_TIMEOUT_MILLISECONDS);
afterAll(async () => {
  await workspace.remove();
  await retireHostedCluster(hosted);
}, SETUP_TIMEOUT_MILLISECONDS);

describe('a recovery point of a hosted control plane', () => {
  it('is discovered, taken, listed, shown, verified and exported from the command line alone', async () => {
    const discovered = await workspace.run(['discover']);
    expect(discovered.stdout).toContain(CONTROL_PLANE);

    const manifest = await take();
    expect(manifest.proofs.map(({ kind, datastore, result }) => `${kind} ${datastore} ${result}`)).toEqual([
      'stream main passed',
      'structure main passed',
      'live main passed',
      'structure identity passed',
    ]);
    const [datastore] = manifest.datastores;
    expect(datastore).toMatchObject({ version: '3.6.5', storageVersion: '3.6.0' });
    expect(datastore?.members.map(({ name }) => name).sort()).toEqual(['etcd-0', 'etcd-1', 'etcd-2']);
    expect(datastore?.encryption).toEqual([{ provider: 'aescbc', key: expect.any(String) as unknown, values: 1 }]);
    expect(manifest.phases.map(({ name }) => name)).toEqual([
      'discover',
      'identity',
      'snapshot',
      'read back',
      'structure',
      'live',
    ]);

    const list = await workspace.run(['list', CONTROL_PLANE]);
    expect(list.stdout).toMatch(new RegExp(`${manifest.id} .* verified `));
    const show = await workspace.run(['show', manifest.id]);
    expect(show.stdout).toContain(`revision    ${datastore?.revision ?? ''}`);
    const verified = await workspace.run(['verify', `${CONTROL_PLANE}/${manifest.id}`, '--live']);
    expect(verified).toMatchObject({ exitCode: 0 });
    const status = await workspace.run(['status']);
    expect(status.stdout).toMatch(new RegExp(`${CONTROL_PLANE} +yes .*\\s${manifest.id}`, 's'));

    const exported = await workspace.run(['export', manifest.id, '--to', 'snapshot.db']);
    expect(exported).toMatchObject({ exitCode: 0 });
    const file = join(workspace.directory, 'snapshot.db');
    const etcdutl = join(await etcdPrograms('3.6.5'), 'etcdutl');
    const told = JSON.parse(await requireCommand(etcdutl, ['snapshot', 'status', file, '-w', 'json'])) as unknown;
    expect(told).toEqual({
      hash: datastore?.statusHash,
      revision: datastore?.revision,
      totalKey: datastore?.keys,
      totalSize: (datastore?.sizeBytes ?? 0) - 32,
      version: '3.6.0',
    });
    expect(await requireCommand('sha256sum', [file])).toContain(datastore?.sha256 ?? 'nothing');
    const again = await workspace.run(['export', manifest.id, '--to', 'snapshot.db']);
    expect(again.exitCode).toBe(2);
    expect(again.stderr).toContain('exists already');
  }, 120_000);

  it('holds what a restore cannot live without, followed by reference, and none of what is made again', async () => {
    const manifest = await take();
    const { items } = JSON.parse(
      zstdDecompressSync(await readFile(fileOf(manifest, 'identity.json.zst'))).toString(),
    ) as { items: { kind: string; metadata: { name: string; namespace: string }; data?: Record<string, string> }[] };
    const names = items.map(({ kind, metadata: { namespace, name } }) => `${kind} ${namespace}/${name}`);
    expect(names).toEqual(manifest.identity.objects);
    const inControlPlane = ['root-ca', 'etcd-signer', 'sa-signing-key', 'cluster-signer-ca', 'kubeadmin-password'];
    expect(names).toEqual(
      expect.arrayContaining([
        `HostedCluster ${NAMESPACE}/prod.eu`,
        `NodePool ${NAMESPACE}/prod.eu-pool-0`,
        `Secret ${NAMESPACE}/prod.eu-pull-secret`,
        `Secret ${NAMESPACE}/prod.eu-htpasswd`,
        `Secret ${NAMESPACE}/prod.eu-etcd-encryption-key`,
        ...inControlPlane.map((name) => `Secret ${hosted.controlPlaneNamespace}/${name}`),
      ]),
    );
    expect(names.some((name) => name.startsWith('MachineDeployment '))).toBe(true);
    expect(names.some((name) => name.startsWith('AWSCluster '))).toBe(true);
    expect(names.filter((name) => /token-|user-data-|etcd-client-tls|HostedControlPlane/.test(name))).toEqual([]);
    const live = await cluster.kubectl(['get', 'secret', 'root-ca', '-n', hosted.controlPlaneNamespace, '-o', 'json']);
    const kept = items.find(({ metadata: { name } }) => name === 'root-ca');
    expect(kept?.data).toEqual((JSON.parse(live) as { data: unknown }).data);
  }, 60_000);

  it('is readable by its owner alone', async () => {
    const manifest = await take();
    for (const name of ['manifest.json', 'identity.json.zst', 'etcd-main.db.zst']) {
      expect((await stat(fileOf(manifest, name))).mode & 0o777).toBe(0o600);
    }
    expect((await stat(fileOf(manifest, ''))).mode & 0o777).toBe(0o700);
  }, 60_000);

  it('is not taken when something it refers to is missing, and the error names it', async () => {
    const patch = (name: string) =>
      cluster.kubectl([
        ...['patch', 'hostedcluster', 'prod.eu', '-n', NAMESPACE, '--type=merge'],
        ...['-p', JSON.stringify({ spec: { auditWebhook: { name } } })],
      ]);
    const before = (await workspace.json(['list'])) as { recoveryPoints: unknown[] };
    await patch('nowhere-to-be-found');
    try {
      const { exitCode, stderr } = await workspace.run(['backup', CONTROL_PLANE]);
      expect(exitCode).toBe(2);
      expect(stderr).toContain(`Secret ${NAMESPACE}/nowhere-to-be-found (spec.auditWebhook)`);
    } finally {
      await patch('prod.eu-audit-webhook');
    }
    expect(await workspace.json(['list'])).toEqual(before);
  }, 60_000);

  it('that is damaged in the store is refused by verify, and shown as refused from then on', async () => {
    const manifest = await take();
    const path = fileOf(manifest, 'etcd-main.db.zst');
    const { size } = await stat(path);
    await requireCommand('dd', [
      'if=/dev/zero',
      `of=${path}`,
      'bs=1',
      'count=8',
      `seek=${Math.floor(size / 2)}`,
      'conv=notrunc',
    ]);
    const verified = await workspace.run(['verify', manifest.id]);
    expect(verified.exitCode).toBe(3);
    expect(verified.stdout).toContain('REFUSED');
    expect((await workspace.run(['list'])).stdout).toMatch(new RegExp(`${manifest.id} .* refused `));
    const exported = await workspace.run(['export', manifest.id, '--to', 'damaged.db']);
    expect(exported.exitCode).toBe(3);
    await expect(stat(join(workspace.directory, 'damaged.db'))).rejects.toThrow('ENOENT');
  }, 60_000);

  it('of a control plane that does not exist is an error that says where to look', async () => {
    const { exitCode, stderr } = await workspace.run(['backup', `mgmt-a/${NAMESPACE}/absent`]);
    expect(exitCode).toBe(2);
    expect(stderr).toContain(`no control plane mgmt-a/${NAMESPACE}/absent`);
    expect(stderr).toContain('lifeboat discover');
  });

  it('is taken without Cluster API as well, from another management cluster', async () => {
    const other = bed.clusters[1];
    if (other === undefined) throw new Error('the bed has one cluster');
    const single = await plantHostedCluster(other, {
      namespace: NAMESPACE,
      name: 'single',
      members: 1,
      etcdVersion: '3.5.21',
    });
    try {
      const manifest = manifestSchema.parse(await workspace.json(['backup', `mgmt-b/${NAMESPACE}/single`]));
      expect(manifest.datastores[0]).toMatchObject({ version: '3.5.21', storageVersion: '3.5' });
      expect(manifest.identity.objects.filter((name) => /Machine/.test(name))).toEqual([]);
    } finally {
      await retireHostedCluster(single);
    }
  }, 240_000);
});
