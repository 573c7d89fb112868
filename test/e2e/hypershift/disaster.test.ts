import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  restorePlanSchema,
  restoreResultSchema,
  type RestorePlan,
  type RestoreResult,
} from '../../../lambdas/domain/restore.ts';
import { sampleOf } from '../../suite/extent.ts';
import type { Workspace } from '../../suite/lifeboat.ts';
import { randomNumbers } from '../../suite/random.ts';
import { seed } from '../../suite/seed.ts';
import type { Bed } from '../../testbed/bed.ts';
import type { HostedCluster } from '../../testbed/hypershift/hosted-cluster.ts';
import type { ManagementCluster } from '../../testbed/management-cluster.ts';
import { waitFor } from '../../testbed/waiting.ts';
import {
  directoryWorkspace,
  plantHostedCluster,
  retireHostedCluster,
  SETUP_TIMEOUT_MILLISECONDS,
  sharedBed,
} from '../bed.ts';
import { restoreWithSpoiledSample } from '../spoiled-sample.ts';

const NAMESPACE = 'disaster';
const API_SERVER = 'deployment/kube-apiserver';
const ETCD = 'statefulset/etcd';
const TEST_TIMEOUT_MS = 480_000;

const random = randomNumbers(seed);
/** The sizes on which a loss is tried that both can have. */
const sizes = (): readonly (1 | 3)[] => sampleOf([1, 3], random);
const AT_ZERO = sizes();
const VOLUMES_AND_KEYS = sizes();
const QUORUM = sizes();

let bed: Bed;
let cluster: ManagementCluster;

beforeAll(async () => {
  bed = await sharedBed();
  [cluster] = bed.clusters;
}, SETUP_TIMEOUT_MILLISECONDS);

describe.each([
  { members: 1, etcdVersion: '3.6.5' },
  { members: 3, etcdVersion: '3.5.21' },
] as const)('a control plane of $members members of etcd $etcdVersion', ({ members, etcdVersion }) => {
  const name = `of-${members}`;
  const claims = Array.from({ length: members }, (_, index) => `data-etcd-${index}`);
  let hosted: HostedCluster;
  let workspace: Workspace;
  let controlPlane: string;
  let losses = 0;

  beforeAll(async () => {
    hosted = await plantHostedCluster(cluster, {
      ...{ namespace: NAMESPACE, name, members, etcdVersion },
      ...(members === 1 ? { encryption: 'aescbc' as const } : {}),
    });
    controlPlane = `${cluster.name}/${NAMESPACE}/${name}`;
    workspace = await directoryWorkspace(bed, { purpose: 'restore' });
    await hosted.kubectl(['create', 'namespace', 'shop']);
    await hosted.kubectl(['create', 'secret', 'generic', 'stock', '-n', 'shop', '--from-literal=apples=12']);
    await workspace.json(['backup', controlPlane]);
  }, SETUP_TIMEOUT_MILLISECONDS);
  afterAll(async () => {
    await workspace.remove();
    await retireHostedCluster(hosted);
  }, SETUP_TIMEOUT_MILLISECONDS);

  const inside = (...args: readonly string[]) =>
    cluster.kubectl(['--namespace', hosted.controlPlaneNamespace, ...args]);
  const hostedCluster = (...args: readonly string[]) =>
    cluster.kubectl(['--namespace', NAMESPACE, ...args.slice(0, 1), 'hostedcluster', name, ...args.slice(1)]);
  const pausedUntil = () => hostedCluster('get', '--output=jsonpath={.spec.pausedUntil}');
  const replicasOf = (workload: string) => inside('get', workload, '--output=jsonpath={.spec.replicas}');
  const etcdPods = () => inside('get', 'pods', '--selector=app=etcd', '--output=name');

  /** Makes something that the recovery point does not have, so that every restore has something to show. */
  async function loseAndGain(): Promise<string> {
    losses += 1;
    const gained = `gained-${losses}`;
    await hosted.kubectl(['create', 'namespace', gained]);
    await hosted.kubectl(['delete', 'secret', 'stock', '-n', 'shop']);
    return gained;
  }

  async function pause(): Promise<void> {
    await hostedCluster('patch', '--type=merge', '--patch={"spec":{"pausedUntil":"true"}}');
    await waitFor(
      'the pause to reach the HostedControlPlane',
      async () => (await inside('get', 'hostedcontrolplane', name, '--output=jsonpath={.spec.pausedUntil}')) === 'true',
      { timeoutSeconds: 30, intervalMilliseconds: 200 },
    );
  }

  async function unpause(): Promise<void> {
    await hostedCluster('patch', '--type=merge', '--patch={"spec":{"pausedUntil":null}}');
  }

  /** Pauses, and brings API server and etcd to zero, as somebody may have done who could not go on. */
  async function bringToZero(): Promise<void> {
    await pause();
    await inside('scale', API_SERVER, ETCD, '--replicas=0');
    await waitFor(
      'the pods to be gone',
      async () => (await inside('get', 'pods', '--selector=app in (etcd, kube-apiserver)', '--output=name')) === '',
      { timeoutSeconds: 120, intervalMilliseconds: 200 },
    );
  }

  /** Where the data of a claim are on this machine. */
  async function volumeOf(claim: string): Promise<string> {
    const volume = await inside('get', 'persistentvolumeclaim', claim, '--output=jsonpath={.spec.volumeName}');
    const path = await cluster.kubectl(['get', 'persistentvolume', volume, '--output=jsonpath={.spec.hostPath.path}']);
    return join(cluster.stateDirectory, path);
  }

  /** Overwrites the data of members and starts these again, on what no etcd can read. */
  async function ruin(...ruined: readonly number[]): Promise<void> {
    for (const member of ruined) {
      const database = join(await volumeOf(`data-etcd-${member}`), 'data/member/snap/db');
      await writeFile(database, Buffer.alloc(1024 * 1024, 'not a database'));
      await inside('delete', 'pod', `etcd-${member}`, '--grace-period=1');
    }
    await waitFor(
      'ruined members to crash',
      async () => {
        const restarts = ruined.map((member) =>
          inside('get', 'pod', `etcd-${member}`, '--output=jsonpath={.status.containerStatuses[0].restartCount}'),
        );
        return (await Promise.all(restarts)).every((count) => Number(count) > 0);
      },
      { timeoutSeconds: 120, intervalMilliseconds: 500 },
    );
  }

  async function restore(): Promise<{ plan: RestorePlan; result: RestoreResult }> {
    const output = (await workspace.json(['restore', controlPlane, '--latest-verified', '--yes'])) as object;
    const { plan, result } = output as { plan: unknown; result: unknown };
    return { plan: restorePlanSchema.parse(plan), result: restoreResultSchema.parse(result) };
  }

  /** The data of the recovery point, served by all members, and nothing of the restore. */
  async function expectRestored(gained: string): Promise<void> {
    await hosted.waitUntilReady();
    const apples = await hosted.kubectl(['get', 'secret', 'stock', '-n', 'shop', '-o', 'jsonpath={.data.apples}']);
    expect(Buffer.from(apples, 'base64').toString()).toBe('12');
    expect(await hosted.kubectl(['get', 'namespaces', '-o', 'name'])).not.toContain(gained);
    expect((await etcdPods()).trim().split('\n').length).toBe(members);
    const pods = await inside('get', 'pods', '--output=name');
    expect(pods.split('\n').filter((pod) => pod.startsWith('pod/lifeboat-'))).toEqual([]);
    expect(await hostedCluster('get', `--output=jsonpath={.metadata.annotations}`)).toContain('restored-from-backup');
  }

  if (AT_ZERO.includes(members))
    it(
      'that stands at zero is put back to zero when the restore fails, and is restored when it does not',
      async () => {
        const gained = await loseAndGain();
        await bringToZero();
        const { exitCode, stdout } = await restoreWithSpoiledSample(workspace, controlPlane);
        expect(exitCode).toBe(1);
        const failed = restoreResultSchema.parse((JSON.parse(stdout) as { result: unknown }).result);
        expect(failed).toMatchObject({
          outcome: 'rolled-back',
          failure: { step: 'Start the datastore' },
          failureOnTheWayBack: null,
        });
        expect([await replicasOf(API_SERVER), await replicasOf(ETCD), await pausedUntil()]).toEqual(['0', '0', 'true']);

        const { plan, result } = await restore();
        expect(plan.datastores[0]?.outages).toEqual(['StatefulSet etcd stands at zero replicas']);
        expect(result).toMatchObject({ outcome: 'restored', safetyPoint: null });
        expect(result.left.join()).toContain(`/var/lib/lifeboat-${plan.operation}/previous`);
        expect(await pausedUntil()).toBe('true');
        await unpause();
        await expectRestored(gained);
        const previous = join(await volumeOf('data-etcd-0'), `lifeboat-${plan.operation}/previous/member/snap/db`);
        expect((await readFile(previous)).length).toBeGreaterThan(0);
      },
      TEST_TIMEOUT_MS,
    );

  if (VOLUMES_AND_KEYS.includes(members))
    it(
      'whose volumes and keys are gone is built again, keys first',
      async () => {
        const gained = await loseAndGain();
        const secrets = ['root-ca', 'etcd-signer', 'cluster-signer-ca', 'sa-signing-key'];
        const read = () => inside('get', 'secrets', ...secrets, '--output=jsonpath={.items[*].data}');
        const referenced = ['--namespace', NAMESPACE, `secret/${name}-pull-secret`, `configmap/${name}-trust-bundle`];
        const readReferenced = () => cluster.kubectl(['get', ...referenced, '--output=jsonpath={.items[*].data}']);
        const before = [await read(), await readReferenced()];
        await bringToZero();
        await inside('delete', 'persistentvolumeclaim', ...claims);
        await inside('delete', 'secret', ...secrets);
        await cluster.kubectl(['delete', ...referenced]);

        const { plan, result } = await restore();
        expect(plan.lostIdentity.length).toBe(secrets.length + 2);
        expect(result).toMatchObject({ outcome: 'restored', safetyPoint: null, left: [] });
        expect([await read(), await readReferenced()]).toEqual(before);
        await unpause();
        await expectRestored(gained);
        expect([await read(), await readReferenced()]).toEqual(before);
      },
      TEST_TIMEOUT_MS,
    );

  if (members === 3) {
    it(
      'with one member broken is restored on all of them',
      async () => {
        const gained = await loseAndGain();
        await ruin(2);
        const { plan, result } = await restore();
        expect(plan.datastores[0]?.outages).toEqual([expect.stringMatching(/^etcd-2 does not answer/)]);
        expect(plan.datastores[0]?.difference.named.vanishes).toContain(`namespaces/${gained}`);
        expect(result).toMatchObject({ outcome: 'restored', safetyPoint: expect.any(String), left: [] });
        await expectRestored(gained);
      },
      TEST_TIMEOUT_MS,
    );
  } else {
    it(
      'whose key was exchanged is refused, as is one that could not be started again',
      async () => {
        const refusal = async () => {
          const { exitCode, stderr } = await workspace.run(['restore', controlPlane, '--latest-verified', '--dry-run']);
          expect(exitCode).toBe(2);
          return stderr;
        };
        await pause();
        const key = ['--namespace', NAMESPACE, 'secret', `${name}-etcd-encryption-key`];
        const before = await cluster.kubectl(['get', ...key, '--output=jsonpath={.data.key}']);
        const exchange = (text: string) =>
          cluster.kubectl(['patch', ...key, '--type=merge', `--patch=${JSON.stringify({ data: { key: text } })}`]);
        await exchange(Buffer.alloc(32, 'other').toString('base64'));
        expect(await refusal()).toContain(`Secret ${NAMESPACE}/${name}-etcd-encryption-key has another key`);
        await exchange(before);

        const leaf = await inside('get', 'secret', 'etcd-server-tls', '--output=json');
        await inside('delete', 'secret', 'etcd-server-tls');
        expect(await refusal()).toContain(
          `pods of the control plane need Secret ${hosted.controlPlaneNamespace}/etcd-server-tls`,
        );
        const { metadata, ...rest } = JSON.parse(leaf) as { metadata: { annotations: object } };
        const again = { ...rest, metadata: { name: 'etcd-server-tls', annotations: metadata.annotations } };
        await cluster.kubectl(['create', '--namespace', hosted.controlPlaneNamespace, '-f', '-'], {
          input: JSON.stringify(again),
        });
        await unpause();
      },
      TEST_TIMEOUT_MS,
    );
  }

  if (QUORUM.includes(members))
    it(
      'without a quorum is restored while its operator runs',
      async () => {
        const gained = await loseAndGain();
        await ruin(...(members === 1 ? [0] : [1, 2]));
        const { plan, result } = await restore();
        expect(plan.datastores[0]?.outages.join()).toContain(
          members === 1 ? 'etcd-0 does not answer' : 'knows no leader',
        );
        // Of three, the one that is left can still be read.
        expect(result).toMatchObject({
          outcome: 'restored',
          safetyPoint: members === 1 ? null : expect.any(String),
        });
        expect(await pausedUntil()).toBe('');
        await expectRestored(gained);
      },
      TEST_TIMEOUT_MS,
    );
});
