import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { ControlPlaneName } from '../../../lambdas/domain/control-plane.ts';
import { ClusterUnreachableError, NotFoundError, TunnelError } from '../../../lambdas/domain/errors.ts';
import type { RestoreTarget } from '../../../lambdas/domain/restore-target.ts';
import type { ClusterAccess } from '../../../lambdas/kube/cluster-access.ts';
import { KubeApi } from '../../../lambdas/kube/kube-api.ts';
import { parseKubeconfig } from '../../../lambdas/kube/kubeconfig.ts';
import { openPodTunnel } from '../../../lambdas/kube/pod-tunnel.ts';
import { hypershift } from '../../../lambdas/platforms/hypershift/hypershift.ts';
import { plantSecrets } from '../../suite/planted-secrets.ts';
import { WRITE_VERBS } from '../../testbed/audit-log.ts';
import { createHostedCluster, type HostedCluster } from '../../testbed/hypershift/hosted-cluster.ts';
import { plantedSecrets } from '../../testbed/hypershift/planted-secrets.ts';
import type { ManagementCluster } from '../../testbed/management-cluster.ts';
import { waitFor } from '../../testbed/waiting.ts';
import {
  accountsOf,
  enrolledKubeconfig,
  enrolledUser,
  plantHostedCluster,
  retireHostedCluster,
  SETUP_TIMEOUT_MILLISECONDS,
  sharedBed,
} from '../bed.ts';

const NAMESPACE = 'restore-target';
const ACCOUNTS = accountsOf('restore-target');
/** A host that nobody resolves: whoever gets through has used a tunnel. */
const API_HOST_NAME = 'api.single.example';
const TEST_TIMEOUT_MS = 240_000;

let cluster: ManagementCluster;
const hosted = {} as Record<'single' | 'triple', HostedCluster>;
/** Of the account that restores, as everything that these tests do through it. */
let access: ClusterAccess;
let api: KubeApi;

beforeAll(async () => {
  [cluster] = (await sharedBed()).clusters;
  const kubeconfig = await enrolledKubeconfig(cluster, 'restore', ACCOUNTS);
  access = parseKubeconfig(await readFile(kubeconfig, 'utf8'), kubeconfig);
  api = new KubeApi(access);
  const [single, triple] = await Promise.all([
    createHostedCluster(cluster, {
      ...{ namespace: NAMESPACE, name: 'single', members: 1, etcdVersion: '3.5.21' },
      ...{ apiHostName: API_HOST_NAME, wait: false },
    }),
    plantHostedCluster(cluster, { namespace: NAMESPACE, name: 'triple', members: 3, etcdVersion: '3.6.5' }),
  ]);
  Object.assign(hosted, { single, triple });
  await untilServing(single);
  await plantSecrets(await plantedSecrets(cluster));
}, SETUP_TIMEOUT_MILLISECONDS);
afterAll(async () => {
  api.close();
  await Promise.all(Object.values(hosted).map(retireHostedCluster));
}, SETUP_TIMEOUT_MILLISECONDS);

const nameOf = ({ namespace, name }: HostedCluster): ControlPlaneName => ({
  managementCluster: cluster.name,
  namespace,
  name,
});
const targetOf = (of: HostedCluster) => hypershift.restoreTarget(api, nameOf(of));
async function setPause(of: HostedCluster, pausedUntil: string | null): Promise<void> {
  await hypershift.reconcilers.release(api, nameOf(of), pausedUntil);
  if (pausedUntil === null) return;
  await waitFor(
    'the pause to be taken up',
    async () => ((await hypershift.reconcilers.read(api, nameOf(of)))?.text ?? null) === pausedUntil,
    {
      timeoutSeconds: 60,
      intervalMilliseconds: 100,
    },
  );
}
const get = ({ controlPlaneNamespace }: HostedCluster, ...args: readonly string[]) =>
  cluster.kubectl(['--namespace', controlPlaneNamespace, 'get', ...args]);
const inTenMinutes = () => new Date(Date.now() + 600_000).toISOString().replace(/\.\d+Z$/, 'Z');

/** Works with the hosted API server, through one of its pods, as its administrator. */
async function throughPod<T>(of: HostedCluster, work: (hostedApi: KubeApi) => Promise<T>): Promise<T> {
  const { namespace, pods, port, kubeconfig } = await hypershift.apiServers.reach(api, nameOf(of));
  const [pod = 'none'] = pods;
  const hostedApi = new KubeApi(parseKubeconfig(kubeconfig.reveal(), of.name), {
    attempts: 1,
    openSocket: (signal) => openPodTunnel(access, { namespace, pod, port }, { signal }),
  });
  try {
    return await work(hostedApi);
  } finally {
    hostedApi.close();
  }
}

async function untilServing(of: HostedCluster): Promise<void> {
  const meanwhile = [NotFoundError, TunnelError, ClusterUnreachableError];
  await waitFor(
    `the API of ${of.name} to serve through its pod`,
    async () => {
      try {
        return await throughPod(of, (hostedApi) => hostedApi.readyz());
      } catch (error) {
        if (meanwhile.some((type) => error instanceof type)) return false;
        throw error;
      }
    },
    { timeoutSeconds: 180, intervalMilliseconds: 200 },
  );
}

/** Name and peer URL of each member, as etcd itself has them. */
async function membersOf(of: HostedCluster): Promise<string[]> {
  const { members } = JSON.parse(await of.etcdctl(['member', 'list', '--write-out=json'], { member: 0 })) as {
    members: { name: string; peerURLs: string[] }[];
  };
  return members.map(({ name, peerURLs }) => `${name} ${peerURLs.join()}`).sort();
}

/** Pod, claim and node of each member, as the scheduler and the kubelet have them. */
async function volumesOf(of: HostedCluster): Promise<string[]> {
  const claim = '{.spec.volumes[*].persistentVolumeClaim.claimName}';
  const each = `{range .items[*]}{.metadata.name} ${claim} {.spec.nodeName}{"\\n"}{end}`;
  return (await get(of, 'pods', '--selector=app=etcd', `--output=jsonpath=${each}`)).trim().split('\n').sort();
}

/** Brings etcd and its writers to zero, as a restore does it. */
async function stop(of: HostedCluster, { writers, datastores }: RestoreTarget): Promise<void> {
  const workloads = [
    ...writers,
    ...datastores.map(({ namespace, statefulSet: name }) => ({ kind: 'StatefulSet', namespace, name })),
  ];
  for (const { kind, namespace, name } of workloads)
    await api.scale({ apiVersion: 'apps/v1', kind, namespace, name }, 0);
  await waitFor(
    `the pods of ${of.name} to be gone`,
    async () => (await get(of, 'pods', '--selector=app in (etcd, kube-apiserver)', '--output=name')) === '',
    { timeoutSeconds: 60, intervalMilliseconds: 200 },
  );
}

/** The same without any pod. */
function withoutPods(target: RestoreTarget): RestoreTarget {
  return {
    ...target,
    writers: target.writers.map((writer) => ({ ...writer, foundReplicas: 0, foundReady: 0 })),
    datastores: target.datastores.map((datastore) => ({
      ...datastore,
      replicas: 0,
      members: datastore.members.map((member) => ({ ...member, node: null, podState: 'none' as const })),
    })),
  };
}

/** Returns when the twin has looked at the HostedCluster once more: it brings its finalizer back even while paused. */
async function untilTwinLooked({ namespace, name }: HostedCluster): Promise<void> {
  const object = ['--namespace', namespace, 'hostedcluster', name];
  await cluster.kubectl(['patch', ...object, '--type=merge', '--patch={"metadata":{"finalizers":[]}}']);
  await waitFor(
    'the finalizer to be there again',
    async () => (await cluster.kubectl(['get', ...object, '--output=jsonpath={.metadata.finalizers}'])) !== '',
    { timeoutSeconds: 30, intervalMilliseconds: 100 },
  );
}

describe.each(['single', 'triple'] as const)('the target of a restore of the %s control plane', (which) => {
  it(
    'is what etcd and Kubernetes know themselves, and is found out without writing anything',
    async () => {
      const since = new Date();
      const { datastores, writers, lacking, pausedUntil } = await targetOf(hosted[which]);
      const members = datastores.flatMap((datastore) => datastore.members);
      expect(members.map(({ pod, peerUrl }) => `${pod} ${peerUrl}`)).toEqual(await membersOf(hosted[which]));
      expect(members.map(({ pod, claim, node }) => `${pod} ${claim} ${node}`)).toEqual(await volumesOf(hosted[which]));
      expect(members.map(({ capacityBytes }) => capacityBytes)).toEqual(members.map(() => 8 * 1024 ** 3));
      const namespace = hosted[which].controlPlaneNamespace;
      const name = 'kube-apiserver';
      expect(writers).toEqual([{ kind: 'Deployment', namespace, name, replicas: 1, foundReplicas: 1, foundReady: 1 }]);
      expect(lacking).toEqual([]);
      expect(pausedUntil).toBeNull();
      const entries = await cluster.auditEntries(enrolledUser('restore', ACCOUNTS), since);
      expect(entries).toContainEqual(expect.objectContaining({ verb: 'get', resource: 'statefulsets', name: 'etcd' }));
      expect(entries.filter(({ verb }) => WRITE_VERBS.includes(verb))).toEqual([]);
    },
    TEST_TIMEOUT_MS,
  );

  it(
    'stands while all of it is at zero under a pause, which holds until it is taken away and all comes back',
    async () => {
      const since = new Date();
      const before = await targetOf(hosted[which]);
      const tls = await hypershift.datastoreAccess.etcdTls(api, nameOf(hosted[which]));
      const until = inTenMinutes();
      await setPause(hosted[which], until);
      try {
        await stop(hosted[which], before);
        await untilTwinLooked(hosted[which]);
        expect(await get(hosted[which], 'pods', '--selector=app in (etcd, kube-apiserver)', '--output=name')).toBe('');

        const atZero = await targetOf(hosted[which]);
        const zero = expect.stringContaining('Deployment kube-apiserver is at zero');
        expect(atZero).toEqual({ ...withoutPods(before), pausedUntil: until, warnings: expect.any(Array) });
        expect(atZero.warnings).toEqual(expect.arrayContaining([...before.warnings, zero]));
        expect(await hypershift.datastoreAccess.etcdTls(api, nameOf(hosted[which]))).toEqual(tls);
        expect(await hypershift.apiServers.reach(api, nameOf(hosted[which]))).toMatchObject({ pods: [] });
      } finally {
        await setPause(hosted[which], null);
        await untilServing(hosted[which]);
      }
      await waitFor(
        'the target to be as before',
        async () => JSON.stringify(await targetOf(hosted[which])) === JSON.stringify(before),
        { timeoutSeconds: 60, intervalMilliseconds: 200 },
      );
      const writes = (await cluster.auditEntries(enrolledUser('restore', ACCOUNTS), since)).filter(({ verb }) =>
        WRITE_VERBS.includes(verb),
      );
      expect(writes.map(({ verb, resource, name }) => `${verb} ${resource} ${name ?? ''}`)).toEqual([
        `patch hostedclusters ${which}`,
        'patch deployments/scale kube-apiserver',
        'patch statefulsets/scale etcd',
        `patch hostedclusters ${which}`,
      ]);
    },
    TEST_TIMEOUT_MS,
  );

  it(
    'has an API that answers through one of its pods, whatever its host name',
    async () => {
      const reference = { apiVersion: 'v1', kind: 'Namespace', name: 'kube-system' };
      const namespace = await throughPod(hosted[which], (hostedApi) => hostedApi.get(reference));
      const stored = await hosted[which].etcdctl([
        'get',
        '/kubernetes.io/namespaces/kube-system',
        '--print-value-only',
      ]);
      expect(stored).toContain(namespace?.metadata.uid);
    },
    TEST_TIMEOUT_MS,
  );
});

describe('a pause, with the account that restores', () => {
  it('ends by itself when its date is over', async () => {
    const soon = new Date(Date.now() + 4000).toISOString().replace(/\.\d+Z$/, 'Z');
    const scheduler = { apiVersion: 'apps/v1', kind: 'Deployment', namespace: hosted.single.controlPlaneNamespace };
    await setPause(hosted.single, soon);
    await api.scale({ ...scheduler, name: 'kube-scheduler' }, 0);
    await waitFor(
      'the twin to put the replicas back',
      async () => (await get(hosted.single, 'deployment/kube-scheduler', '--output=jsonpath={.spec.replicas}')) === '1',
      { timeoutSeconds: 30, intervalMilliseconds: 100 },
    );
    await setPause(hosted.single, null);
  }, 60_000);

  it('is not found for a control plane that does not exist', async () => {
    const nobody = { managementCluster: cluster.name, namespace: NAMESPACE, name: 'nobody' };
    await expect(hypershift.reconcilers.release(api, nobody, 'true')).rejects.toThrow(NotFoundError);
  });
});
