import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CoreV1Api, KubeConfig, makeInformer, type V1ConfigMap } from '@kubernetes/client-node';
import { manifestSchema, type Manifest } from '../../../lambdas/domain/recovery-point.ts';
import { restoreResultSchema, type RestoreResult } from '../../../lambdas/domain/restore.ts';
import { sampleOf } from '../../suite/extent.ts';
import type { Workspace } from '../../suite/lifeboat.ts';
import { randomNumbers } from '../../suite/random.ts';
import { seed } from '../../suite/seed.ts';
import { WRITE_VERBS, type AuditEntry } from '../../testbed/audit-log.ts';
import type { Bed } from '../../testbed/bed.ts';
import type { HostedCluster } from '../../testbed/hypershift/hosted-cluster.ts';
import type { ManagementCluster } from '../../testbed/management-cluster.ts';
import { waitFor } from '../../testbed/waiting.ts';
import {
  accountsOf,
  directoryWorkspace,
  enrolledUser,
  plantHostedCluster,
  retireHostedCluster,
  SETUP_TIMEOUT_MILLISECONDS,
  sharedBed,
} from '../bed.ts';
import { restoreWithSpoiledSample } from '../spoiled-sample.ts';
import { NO_REMAINDERS, restoreRemainders } from './restore-remainders.ts';
import { plantUnfitPoint, UNFIT_POINTS } from './unfit-points.ts';

const NAMESPACE = 'restore';
const ACCOUNTS = accountsOf('restore');
/** The sizes of which one is taken back. */
const TAKEN_BACK = sampleOf([1, 3], randomNumbers(seed));

let bed: Bed;
let cluster: ManagementCluster;

beforeAll(async () => {
  bed = await sharedBed();
  [cluster] = bed.clusters;
}, SETUP_TIMEOUT_MILLISECONDS);

/** These are created, but change nothing: a tunnel, and a question that is answered and not kept. */
const NOT_WRITTEN = ['pods/portforward', 'selfsubjectaccessreviews'];

/** What the account that restores has asked of the management cluster, and what of it changes something. */
async function requestsSince(since: Date): Promise<{ readonly all: AuditEntry[]; readonly writes: AuditEntry[] }> {
  const all = await cluster.auditEntries(enrolledUser('restore', ACCOUNTS), since);
  const writes = all.filter(({ verb, resource }) => WRITE_VERBS.includes(verb) && !NOT_WRITTEN.includes(resource));
  return { all, writes };
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
  let manifest: Manifest;

  beforeAll(async () => {
    hosted = await plantHostedCluster(cluster, { namespace: NAMESPACE, name, members, etcdVersion });
    controlPlane = `${cluster.name}/${NAMESPACE}/${name}`;
    workspace = await directoryWorkspace(bed, { purpose: 'restore', accounts: ACCOUNTS });
    await hosted.kubectl(['create', 'namespace', 'shop']);
    await hosted.kubectl(['create', 'configmap', 'stock', '-n', 'shop', '--from-literal=apples=12']);
    manifest = manifestSchema.parse(await workspace.json(['backup', controlPlane]));
    await hosted.kubectl(['delete', 'namespace', 'shop']);
    await hosted.kubectl(['create', 'namespace', 'later']);
  }, SETUP_TIMEOUT_MILLISECONDS);
  afterAll(async () => {
    await workspace.remove();
    await retireHostedCluster(hosted);
  }, SETUP_TIMEOUT_MILLISECONDS);

  it('shows what comes back and what vanishes, and touches nothing', async () => {
    const since = new Date();
    const { exitCode, stdout } = await workspace.run(['restore', controlPlane, '--latest-verified', '--dry-run']);
    expect(exitCode).toBe(0);
    const { all, writes } = await requestsSince(since);
    expect(all).not.toEqual([]);
    expect(writes).toEqual([]);
    expect(stdout).not.toContain('this account may not');
    expect(stdout).toMatch(/comes back +namespaces\/shop/);
    expect(stdout).toMatch(/vanishes +namespaces\/later/);
    expect((await workspace.run(['operations'])).stdout).toBe('no operations\n');
  }, 120_000);

  it.each(UNFIT_POINTS)(
    'is refused, before anything is touched, when the point $what',
    async (unfit) => {
      const { chosenBy, remove } = await plantUnfitPoint(workspace, manifest, unfit);
      const since = new Date();
      const { exitCode, stderr } = await workspace.run(['restore', controlPlane, ...chosenBy, '--yes']);
      expect({ exitCode, stderr }).toEqual({
        exitCode: unfit.exitCode,
        stderr: expect.stringContaining(unfit.says) as unknown,
      });
      const { all, writes } = await requestsSince(since);
      // Where there is no such point nobody is asked for anything.
      expect(all.length > 0).toBe(unfit.chosenBy === undefined);
      expect(writes).toEqual([]);
      expect((await workspace.run(['operations'])).stdout).toBe('no operations\n');
      await remove();
    },
    120_000,
  );

  async function expectRemainders(): Promise<void> {
    expect(await restoreRemainders(hosted)).toEqual(NO_REMAINDERS);
  }

  it('is not begun where nobody can be asked', async () => {
    const { exitCode, stderr } = await workspace.run(['restore', controlPlane, '--latest-verified']);
    expect(exitCode).toBe(2);
    expect(stderr).toContain('--yes');
    expect((await workspace.run(['operations'])).stdout).toBe('no operations\n');
  }, 120_000);

  if (TAKEN_BACK.includes(members))
    it('puts everything back as it was when what was restored is not right, before anybody can use it', async () => {
      const before = await configMapNames(hosted);

      const { exitCode, stdout } = await restoreWithSpoiledSample(workspace, controlPlane);
      const { result } = JSON.parse(stdout) as { result: unknown };
      expect(exitCode).toBe(1);
      expect(restoreResultSchema.parse(result)).toMatchObject({
        outcome: 'rolled-back',
        failure: { step: 'Start the datastore', error: 'GateError' },
        failureOnTheWayBack: null,
        left: [],
      });
      await hosted.waitUntilReady();
      expect(await configMapNames(hosted)).toEqual(before);
      await expectRemainders();
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
      await expectRemainders();
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
