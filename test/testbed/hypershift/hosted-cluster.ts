import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { requireCommand, type CommandOptions } from '../command.ts';
import { etcdPrograms, type EtcdVersion } from '../etcd.ts';
import { TestbedError } from '../errors.ts';
import type { ManagementCluster } from '../management-cluster.ts';
import { waitFor } from '../waiting.ts';
import { KubeApi } from './api.ts';
import { ETCD_METRICS_PORT } from './etcd-workload.ts';
import { createdWithLabels, planHostedCluster, type HostedClusterPlan } from './hosted-cluster-objects.ts';
import { controlPlaneNamespace } from './names.ts';
import { secretText } from './pki.ts';
import { parseRelease } from './release.ts';
import {
  CONFIG_MAP,
  HOSTED_CLUSTER,
  NAMESPACE,
  NODE_POOL,
  POD,
  SECRET,
  STATEFUL_SET,
  type ControlPlaneObject,
  type KubeObject,
  type PodObject,
} from './resources.ts';

// End what hangs: where many processes share a core, an API server alone takes minutes to start.
const READY_TIMEOUT_SECONDS = 600;
const DELETION_TIMEOUT_SECONDS = 600;
const CLIENT_PORT = 2379;

/** What lets a client into the hosted etcd. PEM texts. */
export interface EtcdCredentials {
  readonly ca: string;
  readonly certificate: string;
  readonly key: string;
  /** A name of every member's certificate, for connections by pod address. */
  readonly serverName: string;
}

async function withDirectory<T>(work: (directory: string) => Promise<T>): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), 'lifeboat-hosted-'));
  try {
    return await work(directory);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** A hosted cluster of the twin. Holds nothing but names: any process may make such a handle, and none has to close it. */
export class HostedCluster {
  readonly cluster: ManagementCluster;
  readonly namespace: string;
  readonly name: string;
  /** Where its control plane runs. */
  readonly controlPlaneNamespace: string;

  constructor(cluster: ManagementCluster, namespace: string, name: string) {
    this.cluster = cluster;
    this.namespace = namespace;
    this.name = name;
    this.controlPlaneNamespace = controlPlaneNamespace(namespace, name);
  }

  /** Those of a management cluster; none where the twin is not installed or nobody answers. */
  static async allOn(cluster: ManagementCluster): Promise<HostedCluster[]> {
    const found = await withApi(cluster.kubeconfig, async (api) =>
      (await api.isReady()) ? await api.list(HOSTED_CLUSTER) : [],
    );
    return found.map(({ metadata: { namespace = '', name } }) => new HostedCluster(cluster, namespace, name));
  }

  async exists(): Promise<boolean> {
    return this.#withApi(async (api) => (await api.get(HOSTED_CLUSTER, this.namespace, this.name)) !== undefined);
  }

  /** Of the hosted cluster's administrator, as people get it. */
  async kubeconfig(): Promise<string> {
    return this.#withApi(async (api) => {
      const text = secretText(await api.get(SECRET, this.namespace, `${this.name}-admin-kubeconfig`), 'kubeconfig');
      if (text === '') throw new TestbedError(`${this.namespace}/${this.name} has no kubeconfig yet`);
      return text;
    });
  }

  /** Runs kubectl as the hosted cluster's administrator and returns what it prints. */
  async kubectl(args: readonly string[], options: CommandOptions = {}): Promise<string> {
    const kubeconfig = await this.kubeconfig();
    const programs = await etcdPrograms('3.6.5');
    return withDirectory(async (directory) => {
      const path = join(directory, 'kubeconfig');
      await writeFile(path, kubeconfig, { mode: 0o600 });
      return requireCommand(join(programs, 'kubectl'), ['--kubeconfig', path, ...args], options);
    });
  }

  async etcdVersion(): Promise<EtcdVersion> {
    const { spec } = await this.#hostedCluster();
    return parseRelease(spec.release.image).etcdVersion;
  }

  async etcdCredentials(): Promise<EtcdCredentials> {
    return this.#withApi(async (api) => {
      const client = await api.get(SECRET, this.controlPlaneNamespace, 'etcd-client-tls');
      const ca = await api.get(CONFIG_MAP, this.controlPlaneNamespace, 'etcd-ca');
      return {
        ca: ca?.data?.['ca.crt'] ?? '',
        certificate: secretText(client, 'etcd-client.crt'),
        key: secretText(client, 'etcd-client.key'),
        serverName: 'etcd-client',
      };
    });
  }

  /** Addresses of the members' pods, in the order of their numbers. */
  async memberAddresses(): Promise<string[]> {
    return (await this.#memberPods()).map(({ metadata, status }) => {
      if (status?.podIP === undefined) throw new TestbedError(`pod ${metadata.name} has no address yet`);
      return status.podIP;
    });
  }

  /** Client URL of one member, reachable from the host with {@link etcdCredentials}. */
  async memberUrl(member: number): Promise<string> {
    const address = (await this.memberAddresses())[member];
    if (address === undefined) throw new TestbedError(`${this.controlPlaneNamespace} has no etcd-${member}`);
    return `https://${address}:${CLIENT_PORT}`;
  }

  /** Runs etcdctl of the members' version against one member, or all of them. */
  async etcdctl(args: readonly string[], { member }: { member?: number } = {}): Promise<string> {
    const [credentials, programs, addresses] = await Promise.all([
      this.etcdCredentials(),
      etcdPrograms(await this.etcdVersion()),
      this.memberAddresses(),
    ]);
    const all = addresses.map((address) => `https://${address}:${CLIENT_PORT}`).join(',');
    const endpoints = member === undefined ? all : await this.memberUrl(member);
    return withDirectory(async (directory) => {
      const path = (name: string): string => join(directory, name);
      await writeFile(path('client.crt'), credentials.certificate);
      await writeFile(path('client.key'), credentials.key, { mode: 0o600 });
      // The certificates carry names only, and etcdctl cannot be told which name to expect behind an address.
      const tls = ['--insecure-skip-tls-verify', '--cert', path('client.crt'), '--key', path('client.key')];
      return requireCommand(join(programs, 'etcdctl'), ['--endpoints', endpoints, ...tls, ...args]);
    });
  }

  /** A member's metrics in Prometheus' text form. */
  async metrics(member: number): Promise<string> {
    const { hostname } = new URL(await this.memberUrl(member));
    const response = await fetch(`http://${hostname}:${ETCD_METRICS_PORT}/metrics`, {
      signal: AbortSignal.timeout(10_000),
    });
    if (!response.ok) throw new TestbedError(`etcd-${member} answered ${response.status} for its metrics`);
    return response.text();
  }

  /** Ends a member's process with SIGKILL; the kubelet starts it again. */
  async killMember(member: number): Promise<void> {
    await this.#signalMember(member, 'SIGKILL');
  }

  /** Stops a member's process, so that its connections stay open and say nothing. */
  async freezeMember(member: number): Promise<void> {
    await this.#signalMember(member, 'SIGSTOP');
  }

  async thawMember(member: number): Promise<void> {
    await this.#signalMember(member, 'SIGCONT');
  }

  /** Waits until every etcd member is ready and the hosted API server answers `/readyz`. */
  async waitUntilReady(timeoutSeconds = READY_TIMEOUT_SECONDS): Promise<void> {
    await this.#withApi(async (api) => {
      await waitFor(
        `the control plane of ${this.namespace}/${this.name}`,
        async () => {
          const etcd = await api.get(STATEFUL_SET, this.controlPlaneNamespace, 'etcd');
          if (etcd === undefined || etcd.status?.readyReplicas !== etcd.spec?.replicas) return false;
          const text = secretText(await api.get(SECRET, this.namespace, `${this.name}-admin-kubeconfig`), 'kubeconfig');
          return text !== '' && (await isApiReady(text));
        },
        { timeoutSeconds, intervalMilliseconds: 200 },
      );
    });
  }

  /** Asks for the end of the HostedCluster and waits for nothing; what was created along with it stays. */
  async startDeletion(): Promise<void> {
    await this.#withApi((api) => api.delete(HOSTED_CLUSTER, this.namespace, this.name));
  }

  /**
   * Deletes the HostedCluster, waits until its namespace, its machines and the object itself are gone, and removes what
   * was created along with it. Nothing when it does not exist.
   */
  async delete(): Promise<void> {
    await this.#withApi(async (api) => {
      const object = await api.get(HOSTED_CLUSTER, this.namespace, this.name);
      if (object === undefined) return;
      await api.delete(HOSTED_CLUSTER, this.namespace, this.name);
      await waitFor(
        `the end of ${this.namespace}/${this.name}`,
        async () => (await api.get(HOSTED_CLUSTER, this.namespace, this.name)) === undefined,
        { timeoutSeconds: DELETION_TIMEOUT_SECONDS, intervalMilliseconds: 200 },
      );
      const selector = Object.entries(createdWithLabels(object))
        .map((label) => label.join('='))
        .join(',');
      for (const resource of [SECRET, CONFIG_MAP]) {
        const created = await api.list<KubeObject>(resource, this.namespace, selector);
        for (const { metadata } of created) await api.delete(resource, this.namespace, metadata.name);
      }
    });
  }

  async #signalMember(member: number, signal: NodeJS.Signals): Promise<void> {
    const pod = (await this.#memberPods())[member];
    const id = pod?.status?.containerStatuses?.find(({ name }) => name === 'etcd')?.containerID;
    if (id === undefined) throw new TestbedError(`${this.controlPlaneNamespace} runs no container of etcd-${member}`);
    await this.cluster.ctr(['tasks', 'kill', '--signal', signal, id.replace('containerd://', '')]);
  }

  async #hostedCluster(): Promise<ControlPlaneObject> {
    return this.#withApi(async (api) => {
      const object = await api.get(HOSTED_CLUSTER, this.namespace, this.name);
      if (object === undefined) throw new TestbedError(`HostedCluster ${this.namespace}/${this.name} does not exist`);
      return object;
    });
  }

  async #memberPods(): Promise<PodObject[]> {
    const pods = await this.#withApi((api) => api.list(POD, this.controlPlaneNamespace, 'app=etcd'));
    return pods.sort((a, b) => a.metadata.name.localeCompare(b.metadata.name));
  }

  async #withApi<T>(work: (api: KubeApi) => Promise<T>): Promise<T> {
    return withApi(this.cluster.kubeconfig, work);
  }
}

async function withApi<T>(kubeconfig: string, work: (api: KubeApi) => Promise<T>): Promise<T> {
  const api = KubeApi.connect(kubeconfig);
  try {
    return await work(api);
  } finally {
    api.close();
  }
}

async function isApiReady(kubeconfig: string): Promise<boolean> {
  return withApi(kubeconfig, (api) => api.isReady());
}

/**
 * Creates a hosted cluster with all that it refers to, in a namespace that may exist already. `wait: false` returns as
 * soon as the objects are there; else it returns when the hosted API server is ready.
 */
export async function createHostedCluster(
  cluster: ManagementCluster,
  { wait = true, ...plan }: HostedClusterPlan & { readonly wait?: boolean },
): Promise<HostedCluster> {
  const hosted = new HostedCluster(cluster, plan.namespace, plan.name);
  const objects = planHostedCluster(plan);
  await withApi(cluster.kubeconfig, async (api) => {
    const { apiVersion, kind } = NAMESPACE;
    await api.ensure(NAMESPACE, { apiVersion, kind, metadata: { name: plan.namespace } });
    for (const secret of objects.secrets) await api.create(SECRET, secret);
    for (const configMap of objects.configMaps) await api.create(CONFIG_MAP, configMap);
    await api.create(HOSTED_CLUSTER, objects.hostedCluster);
    for (const pool of objects.nodePools) await api.create(NODE_POOL, pool);
  });
  if (wait) await hosted.waitUntilReady();
  return hosted;
}
