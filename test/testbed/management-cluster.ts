import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { KeyPair } from './certificates.ts';
import { ApiRequests } from './api-requests.ts';
import { readAuditEntries, type AuditEntry } from './audit-log.ts';
import { removeContainerCgroups } from './cgroups.ts';
import { clusterFiles } from './cluster-files.ts';
import { readClusterState, writeClusterState, type ClusterState } from './cluster-state.ts';
import { requireCommand, type CommandOptions } from './command.ts';
import { componentCommand, type ComponentName } from './components.ts';
import { ctr, findContainerIds, importImage } from './containerd.ts';
import { insideCommand, networkCommand, startInside } from './enclosure.ts';
import { TestbedError } from './errors.ts';
import { releaseNetwork, type ClusterNetwork } from './network.ts';
import { isRunning, killProcess, requireRunning, type ProcessRecord } from './process.ts';
import { waitFor } from './waiting.ts';

/** A cluster that was started altogether: what a start leaves undefined until it knows is there. */
export type CompleteState = ClusterState & { anchor: ProcessRecord; network: ClusterNetwork };

/** Starts a component of a cluster and records it. */
export async function startComponent(state: CompleteState, component: ComponentName): Promise<ProcessRecord> {
  const record = await startInside(state.anchor, {
    name: component,
    command: componentCommand(component, state),
    logPath: clusterFiles(state.stateDirectory).log(component),
  });
  state.processes[component] = record;
  writeClusterState(state);
  return record;
}

/** Waits until the API server is ready; TestbedError with its log when it dies meanwhile. */
export async function waitForApiServer(requests: ApiRequests, record: ProcessRecord): Promise<void> {
  await waitFor(
    `${requests.server} to be ready`,
    async () => {
      await requireRunning(record);
      return requests.isOk('/readyz');
    },
    { timeoutSeconds: 90 },
  );
}

/** Ends all that a cluster started, from its state alone; its directory with the logs stays. Safe to repeat. */
export async function endManagementCluster(state: ClusterState): Promise<void> {
  // The anchor is process 1 of its namespace: it is gone only when everything in there is.
  if (state.anchor !== undefined) await killProcess(state.anchor);
  if (state.network !== undefined) await releaseNetwork(state.network);
  await removeContainerCgroups(await findContainerIds(state.stateDirectory));
}

/** Ends a cluster and removes all that it left; safe to repeat. */
export async function removeManagementCluster(stateDirectory: string): Promise<void> {
  await endManagementCluster(await readClusterState(stateDirectory));
  await rm(stateDirectory, { recursive: true, force: true, maxRetries: 10 });
}

/** A running management cluster. Everything is read from its state directory: any process may hold such a handle. */
export class ManagementCluster {
  readonly name: string;
  readonly stateDirectory: string;
  readonly network: ClusterNetwork;
  /** URL of the API server, reachable from the host. */
  readonly server: string;
  /** Of the administrator, by client certificate. */
  readonly kubeconfigPath: string;
  readonly kubeconfig: string;
  /** The program kubectl of the cluster's own version. */
  readonly kubectlPath: string;
  /** Signs client and server certificates that the cluster trusts: tests mint users of their own with it. */
  readonly authority: KeyPair;
  /** Who asked the API server for what, as JSON lines at level Metadata. */
  readonly auditLogPath: string;
  readonly #requests: ApiRequests;

  private constructor(state: CompleteState, requests: ApiRequests, kubeconfig: string, authority: KeyPair) {
    const files = clusterFiles(state.stateDirectory);
    this.name = state.name;
    this.stateDirectory = state.stateDirectory;
    this.network = state.network;
    this.server = requests.server;
    this.kubeconfigPath = files.kubeconfig('admin');
    this.kubeconfig = kubeconfig;
    this.authority = authority;
    this.auditLogPath = files.auditLog;
    this.#requests = requests;
    this.kubectlPath = join(state.binaries.kubernetesParts, 'kubectl');
  }

  /** The cluster of a state directory, whether this or another process started it. */
  static async attach(stateDirectory: string): Promise<ManagementCluster> {
    const state = await readCompleteState(stateDirectory);
    const files = clusterFiles(stateDirectory);
    const [requests, kubeconfig, certificate, key] = await Promise.all([
      ApiRequests.fromKubeconfig(files.kubeconfig('admin')),
      readFile(files.kubeconfig('admin'), 'utf8'),
      readFile(files.authorityCertificate, 'utf8'),
      readFile(files.authorityKey, 'utf8'),
    ]);
    return new ManagementCluster(state, requests, kubeconfig, { certificate, key });
  }

  /** Runs kubectl as the administrator and returns what it prints; TestbedError with its standard error when it fails. */
  async kubectl(args: readonly string[], options: CommandOptions = {}): Promise<string> {
    return requireCommand(this.kubectlPath, ['--kubeconfig', this.kubeconfigPath, ...args], options);
  }

  /** Runs ctr on the cluster's containerd, in the namespace that the kubelet uses. */
  async ctr(args: readonly string[]): Promise<string> {
    return ctr(this.stateDirectory, args);
  }

  /** Imports a docker-archive or OCI tar; pods use its images with `imagePullPolicy: Never`. */
  async importImage(tar: string): Promise<void> {
    await importImage(this.stateDirectory, tar);
  }

  /** The given command, so wrapped that it runs in the cluster's network with the host's files. */
  async inNetwork(command: readonly string[]): Promise<[string, ...string[]]> {
    const { anchor } = await readCompleteState(this.stateDirectory);
    return networkCommand(anchor, command);
  }

  /** The given command, so wrapped that it sees the processes and mounts that the cluster's own do. */
  async inside(command: readonly string[]): Promise<[string, ...string[]]> {
    const { anchor } = await readCompleteState(this.stateDirectory);
    return insideCommand(anchor, command);
  }

  /** Ends a component with SIGKILL; it stays away until {@link start}. */
  async kill(component: ComponentName): Promise<void> {
    const { processes } = await readCompleteState(this.stateDirectory);
    const record = processes[component];
    if (record !== undefined) await killProcess(record);
  }

  /** Starts a component that was killed, as it ran before; the API server is waited for. */
  async start(component: ComponentName): Promise<void> {
    const state = await readCompleteState(this.stateDirectory);
    const previous = state.processes[component];
    if (previous !== undefined && (await isRunning(previous))) return;
    const record = await startComponent(state, component);
    if (component === 'kube-apiserver') await waitForApiServer(this.#requests, record);
  }

  async killApiServer(): Promise<void> {
    await this.kill('kube-apiserver');
  }

  async restartApiServer(): Promise<void> {
    await this.kill('kube-apiserver');
    await this.start('kube-apiserver');
  }

  /** Kills the main process of a running container with SIGKILL, as a crash would. */
  async killContainer(namespace: string, pod: string, container: string): Promise<void> {
    const path = `{.status.containerStatuses[?(@.name=="${container}")].containerID}`;
    const id = await this.kubectl(['get', 'pod', pod, '--namespace', namespace, `--output=jsonpath=${path}`]);
    await this.ctr(['tasks', 'kill', '--signal', 'SIGKILL', id.replace('containerd://', '')]);
  }

  /**
   * What a user has asked the API server for since a moment, e.g. `system:serviceaccount:lifeboat:lifeboat-restore`. An entry
   * may follow its answer by a moment.
   */
  async auditEntries(user: string, since: Date): Promise<AuditEntry[]> {
    return readAuditEntries(this.auditLogPath, user, since);
  }

  /** The components that should run and do not; empty for a healthy cluster whose API server answers. */
  async findFaults(): Promise<string[]> {
    const { processes } = await readCompleteState(this.stateDirectory);
    const records = Object.values(processes);
    const running = await Promise.all(records.map(isRunning));
    const faults = records.filter((_, index) => running[index] === false).map(({ name }) => `${name} does not run`);
    if (!(await this.#requests.isOk('/readyz'))) faults.push(`${this.server}/readyz does not answer`);
    return faults;
  }

  /** Ends the cluster and removes everything of it. */
  async stop(): Promise<void> {
    await removeManagementCluster(this.stateDirectory);
  }
}

async function readCompleteState(stateDirectory: string): Promise<CompleteState> {
  const state = await readClusterState(stateDirectory);
  const { anchor, network } = state;
  if (anchor === undefined || network === undefined) {
    throw new TestbedError(`The start of the management cluster in ${stateDirectory} was cut off`, {
      remedy: 'End its bed ("npm run testbed -- down") and start it again.',
    });
  }
  await requireRunning(anchor);
  return { ...state, anchor, network };
}
