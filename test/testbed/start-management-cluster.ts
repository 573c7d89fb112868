import { mkdir } from 'node:fs/promises';
import { Resolver } from 'node:dns/promises';
import { join } from 'node:path';
import { ApiRequests } from './api-requests.ts';
import type { Binaries } from './binaries.ts';
import { clusterFiles, writeClusterFiles } from './cluster-files.ts';
import { readClusterState, writeClusterState, type ClusterState } from './cluster-state.ts';
import { importImage, startContainerd } from './containerd.ts';
import { startAnchor, waitForEnclosure } from './enclosure.ts';
import type { ImageArchives } from './images.ts';
import {
  ManagementCluster,
  endManagementCluster,
  startComponent,
  waitForApiServer,
  type CompleteState,
} from './management-cluster.ts';
import { claimNetwork } from './network.ts';
import { killProcess, requireRunning } from './process.ts';
import type { Report } from './progress.ts';
import { waitFor } from './waiting.ts';

export interface ManagementClusterOptions {
  /** Also the name of its node and of its kubeconfig's context. */
  readonly name: string;
  /** Does not exist yet, and lies under /var/lib. */
  readonly stateDirectory: string;
  readonly binaries: Binaries;
  readonly images: ImageArchives;
  readonly report: Report;
}

const STORAGE_CLASS = {
  apiVersion: 'storage.k8s.io/v1',
  kind: 'StorageClass',
  metadata: { name: 'host-path', annotations: { 'storageclass.kubernetes.io/is-default-class': 'true' } },
  provisioner: 'kubernetes.io/host-path',
  // As the classes of clouds have it: a volume is made for the node of the first pod that uses it.
  volumeBindingMode: 'WaitForFirstConsumer',
};
const DNS_ROLE = {
  apiVersion: 'rbac.authorization.k8s.io/v1',
  kind: 'ClusterRole',
  metadata: { name: 'lifeboat-testbed-coredns' },
  rules: [
    { apiGroups: [''], resources: ['namespaces', 'pods', 'services'], verbs: ['list', 'watch'] },
    { apiGroups: ['discovery.k8s.io'], resources: ['endpointslices'], verbs: ['list', 'watch'] },
  ],
};
const DNS_ROLE_BINDING = {
  apiVersion: 'rbac.authorization.k8s.io/v1',
  kind: 'ClusterRoleBinding',
  metadata: { name: 'lifeboat-testbed-coredns' },
  roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'lifeboat-testbed-coredns' },
  subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: 'lifeboat-testbed-coredns' }],
};

async function createFirstObjects(requests: ApiRequests): Promise<void> {
  const rbac = '/apis/rbac.authorization.k8s.io/v1';
  await Promise.all([
    requests.create('/apis/storage.k8s.io/v1/storageclasses', STORAGE_CLASS),
    requests.create(`${rbac}/clusterroles`, DNS_ROLE),
    requests.create(`${rbac}/clusterrolebindings`, DNS_ROLE_BINDING),
  ]);
}

interface Conditions {
  readonly status?: { readonly conditions?: readonly { readonly type: string; readonly status: string }[] };
}

async function waitForNode(requests: ApiRequests, state: CompleteState): Promise<void> {
  await waitFor(
    `the node ${state.name} to be Ready`,
    async () => {
      await Promise.all(Object.values(state.processes).map(requireRunning));
      const response = await requests.send('GET', `/api/v1/nodes/${state.name}`);
      if (response?.status !== 200) return false;
      const { status } = JSON.parse(response.body) as Conditions;
      return status?.conditions?.some((condition) => condition.type === 'Ready' && condition.status === 'True');
    },
    { timeoutSeconds: 90, intervalMilliseconds: 100 },
  );
}

async function waitForDns({ network }: CompleteState): Promise<void> {
  const resolver = new Resolver({ timeout: 500, tries: 1 });
  resolver.setServers([network.nodeAddress]);
  await waitFor(
    `the DNS server ${network.nodeAddress} to know the API server`,
    async () => {
      const addresses = await resolver.resolve4('kubernetes.default.svc.cluster.local').catch((): string[] => []);
      return addresses.includes(network.apiServiceAddress);
    },
    { timeoutSeconds: 60, intervalMilliseconds: 100 },
  );
}

/** Starts everything of a cluster whose state is written already, and waits until all of it answers. */
async function startEverything(initial: ClusterState, { images, report }: ManagementClusterOptions): Promise<void> {
  const { name, stateDirectory } = initial;
  const anchor = await startAnchor(stateDirectory, initial.binaries);
  writeClusterState({ ...initial, anchor });
  await waitForEnclosure(anchor);
  const network = await claimNetwork(anchor);
  const state: CompleteState = { ...initial, anchor, network };
  writeClusterState(state);
  await writeClusterFiles(state);
  const requests = await ApiRequests.fromKubeconfig(clusterFiles(stateDirectory).kubeconfig('admin'));

  const containerdWithImages = async (): Promise<void> => {
    state.processes['containerd'] = await startContainerd(anchor, { stateDirectory, podSubnet: network.podSubnet });
    writeClusterState(state);
    await importImage(stateDirectory, images.base);
    report(`${name}: containerd answers, base images imported`);
    await startComponent(state, 'kubelet');
    await importImage(stateDirectory, images.parts);
    report(`${name}: all images imported`);
  };
  const controlPlane = async (): Promise<void> => {
    await startComponent(state, 'etcd');
    const apiServer = await startComponent(state, 'kube-apiserver');
    await waitForApiServer(requests, apiServer);
    report(`${name}: API server ready`);
    await Promise.all([
      createFirstObjects(requests),
      startComponent(state, 'kube-controller-manager'),
      startComponent(state, 'kube-scheduler'),
      startComponent(state, 'kube-proxy'),
      startComponent(state, 'coredns'),
    ]);
  };
  const parts = [containerdWithImages(), controlPlane()];
  try {
    await Promise.all(parts);
  } catch (error) {
    // Without the anchor the other part fails soon, and starts nothing more.
    await killProcess(anchor);
    await Promise.allSettled(parts);
    throw error;
  }
  await Promise.all([
    waitForNode(requests, state).then(() => {
      report(`${name}: node Ready`);
    }),
    waitForDns(state).then(() => {
      report(`${name}: DNS answers`);
    }),
    // Pods are refused in a namespace without it.
    waitFor('the default service account', () => requests.isOk('/api/v1/namespaces/default/serviceaccounts/default'), {
      timeoutSeconds: 60,
      intervalMilliseconds: 100,
    }),
  ]);
  // Nobody above has asked for kube-proxy, which is missed at the first Service only.
  for (const record of Object.values(state.processes)) await requireRunning(record);
}

/**
 * Starts a management cluster in namespaces of its own: one node Ready, DNS and Services answering, default storage
 * class, images of `images.ts` imported. A start that fails ends what it began and leaves only the directory with the logs.
 */
export async function startManagementCluster(options: ManagementClusterOptions): Promise<ManagementCluster> {
  const { name, stateDirectory, binaries } = options;
  await mkdir(join(stateDirectory, 'logs'), { recursive: true, mode: 0o700 });
  writeClusterState({ name, stateDirectory, binaries, processes: {} });
  try {
    await startEverything(await readClusterState(stateDirectory), options);
  } catch (error) {
    try {
      await endManagementCluster(await readClusterState(stateDirectory));
    } catch (remains) {
      options.report(`${name}: not ended altogether after its start failed: ${String(remains)}`);
    }
    throw error;
  }
  return ManagementCluster.attach(stateDirectory);
}
