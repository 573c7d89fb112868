import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CoreV1Api, KubeConfig, makeInformer, type V1ConfigMap } from '@kubernetes/client-node';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { restoreResultSchema, type RestoreResult } from '../../lambdas/domain/restore.ts';
import type { Workspace } from '../suite/lifeboat.ts';
import { WRITE_VERBS, type AuditEntry } from '../testbed/audit-log.ts';
import type { Bed } from '../testbed/bed.ts';
import type { HostedCluster } from '../testbed/hypershift/hosted-cluster.ts';
import type { ManagementCluster } from '../testbed/management-cluster.ts';
import { waitFor } from '../testbed/waiting.ts';
import { directoryWorkspace, enrolledUser, plantHostedCluster, sharedBed } from './bed.ts';
import { spoilSample } from './spoiled-sample.ts';
import { NO_REMAINDERS, restoreRemainders } from './restore-remainders.ts';

const NAMESPACE = 'restore';

let bed: Bed;
let cluster: ManagementCluster;

beforeAll(async () => {
  bed = await sharedBed();
  [cluster] = bed.clusters;
}, 120_000);

/** What the account that restores has changed on the management cluster; a tunnel changes nothing. */
async function writesSince(since: Date): Promise<AuditEntry[]> {
  const entries = await cluster.auditEntries(enrolledUser('restore'), since);
  expect(entries).not.toEqual([]);
  return entries.filter(({ verb, resource }) => WRITE_VERBS.includes(verb) && resource !== 'pods/portforward');
}

async function configMapNames(hosted: HostedCluster): Promise<string[]> {
  const names = await hosted.kubectl([
    'get',
    'configmaps',
    '-A',
    '-o',
    'jsonpath={range .items[*]}{.metadata.namespace}/{.metadata.name}{"\\n"}{end}',
  ]);
  return names.trim().split('\n').sort();
}

describe.each([
  { members: 1, etcdVersion: '3.6.5' },
  { members: 3, etcdVersion: '3.5.21' },
] as const)('a restore in place of $members members of etcd $etcdVersion', ({ members, etcdVersion }) => {
  const name = `of-${members}`;
  let hosted: HostedCluster;
  let workspace: Workspace;
  let controlPlane: string;

  beforeAll(async () => {
    hosted = await plantHostedCluster(cluster, { namespace: NAMESPACE, name, members, etcdVersion });
    controlPlane = `${cluster.name}/${NAMESPACE}/${name}`;
    workspace = await directoryWorkspace(bed, { purpose: 'restore' });
    await hosted.kubectl(['create', 'namespace', 'shop']);
    await hosted.kubectl(['create', 'configmap', 'stock', '-n', 'shop', '--from-literal=apples=12']);
    await workspace.json(['backup', controlPlane]);
    await hosted.kubectl(['delete', 'namespace', 'shop']);
    await hosted.kubectl(['create', 'namespace', 'later']);
  }, 300_000);
  afterAll(async () => {
    await workspace.remove();
    await hosted.delete();
  }, 180_000);

  it('shows what comes back and what vanishes, and touches nothing', async () => {
    const since = new Date();
    const { exitCode, stdout } = await workspace.run(['restore', controlPlane, '--latest-verified', '--dry-run']);
    expect(exitCode).toBe(0);
    expect(await writesSince(since)).toEqual([]);
    expect(stdout).toMatch(/comes back +namespaces\/shop/);
    expect(stdout).toMatch(/vanishes +namespaces\/later/);
    expect((await workspace.run(['operations'])).stdout).toBe('no operations\n');
  }, 120_000);

  it('is refused, before anything is touched, when the stored bytes are not what they were', async () => {
    const { id } = (await workspace.json(['backup', controlPlane])) as { id: string };
    const root = join(workspace.directory, 'recovery-points/recovery-points/hypershift', controlPlane, id);
    const file = join(root, 'etcd-main.db.zst');
    const bytes = await readFile(file);
    const middle = Math.floor(bytes.length / 2);
    bytes.writeUInt8(bytes.readUInt8(middle) ^ 1, middle);
    await writeFile(file, bytes);
    const since = new Date();
    const { exitCode, stderr } = await workspace.run(['restore', controlPlane, '--point', id, '--yes']);
    expect(exitCode).toBe(3);
    expect(stderr).toContain('Do not restore from this recovery point');
    expect(await writesSince(since)).toEqual([]);
    await rm(root, { recursive: true });
  }, 120_000);

  it('is not begun where nobody can be asked', async () => {
    const { exitCode, stderr } = await workspace.run(['restore', controlPlane, '--latest-verified']);
    expect(exitCode).toBe(2);
    expect(stderr).toContain('--yes');
    expect((await workspace.run(['operations'])).stdout).toBe('no operations\n');
  }, 120_000);

  it('puts everything back as it was when what was restored is not right', async () => {
    const before = await configMapNames(hosted);
    const running = workspace.run(['restore', controlPlane, '--latest-verified', '--yes', '--json']);
    await spoilSample(workspace);

    const { exitCode, stdout } = await running;
    const { result } = JSON.parse(stdout) as { result: unknown };
    expect(exitCode).toBe(1);
    expect(restoreResultSchema.parse(result)).toMatchObject({
      outcome: 'rolled-back',
      failure: { step: 'Start the control plane', error: 'GateError' },
      failureOnTheWayBack: null,
    });
    await hosted.waitUntilReady();
    expect(await configMapNames(hosted)).toEqual(before);
    expect(await restoreRemainders(hosted)).toEqual(NO_REMAINDERS);
  }, 600_000);

  it('brings back what was deleted, removes what came later, and an informer of before sees it', async () => {
    const informer = await startInformer(hosted);
    try {
      const { result } = (await workspace.json(['restore', controlPlane, '--latest-verified', '--yes'])) as {
        result: RestoreResult;
      };
      expect(result).toMatchObject({ outcome: 'restored', failure: null });
      await hosted.waitUntilReady();
      expect(await hosted.kubectl(['get', 'configmap', 'stock', '-n', 'shop', '-o', 'jsonpath={.data.apples}'])).toBe(
        '12',
      );
      expect(await hosted.kubectl(['get', 'namespaces', '-o', 'name'])).not.toContain('later');
      await waitFor(
        'the informer',
        async () => JSON.stringify(informer.names()) === JSON.stringify(await configMapNames(hosted)),
        { timeoutSeconds: 120 },
      );
      expect(await restoreRemainders(hosted)).toEqual(NO_REMAINDERS);
    } finally {
      await informer.stop();
    }
  }, 600_000);
});

/** A real client's cache of all ConfigMaps, by a watch that was open before. */
async function startInformer(hosted: HostedCluster): Promise<{ names(): string[]; stop(): Promise<void> }> {
  const kubeconfig = new KubeConfig();
  kubeconfig.loadFromString(await hosted.kubeconfig());
  const api = kubeconfig.makeApiClient(CoreV1Api);
  const informer = makeInformer<V1ConfigMap>(kubeconfig, '/api/v1/configmaps', () =>
    api.listConfigMapForAllNamespaces(),
  );
  let isWanted = true;
  informer.on('error', () => {
    if (isWanted) void informer.start();
  });
  await informer.start();
  return {
    names: () =>
      informer
        .list()
        .map(({ metadata }) => `${metadata?.namespace ?? ''}/${metadata?.name ?? ''}`)
        .sort(),
    stop: async () => {
      isWanted = false;
      await informer.stop();
    },
  };
}
