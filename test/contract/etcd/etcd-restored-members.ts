import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { preparationPod, swapPod, type SwapPlan } from '../../../lambdas/datastores/etcd/restore/helper-pods.ts';
import { TunnelError } from '../../../lambdas/domain/errors.ts';
import type { EtcdInstallation } from '../../../lambdas/domain/etcd-installation.ts';
import type { EtcdClientTls } from '../../../lambdas/domain/etcd-workload.ts';
import type { KubernetesObject } from '../../../lambdas/domain/kubernetes-object.ts';
import { Secret } from '../../../lambdas/domain/secret.ts';
import type { Cluster } from '../../../lambdas/kube/cluster.ts';
import { createAuthority, issueCertificate } from '../../testbed/certificates.ts';
import { requireCommand } from '../../testbed/command.ts';
import { etcdPrograms, type EtcdVersion } from '../../testbed/etcd.ts';
import { freePorts } from '../../testbed/free-ports.ts';
import { killProcess, startDetached, type ProcessRecord } from '../../testbed/process.ts';
import { containersOf, installedEtcd, memberOf, OPERATION } from '../../unit/etcd-restore/installed-etcd.ts';

/** What a preparation is given, apart from what a test never changes. */
export interface SnapshotToRestore {
  readonly file: Buffer;
  readonly sha256: string;
  readonly bump: number;
}

/**
 * An etcd of which there are only volumes at first: directories that helper pods work on, their containers run as kubelet
 * would, and that members are then started from. "Tunnels" are connections to the members' ports.
 */
export class RestoredEtcd {
  readonly installation: EtcdInstallation;
  readonly tls: EtcdClientTls;
  readonly #directory: string;
  readonly #programs: string;
  readonly #version: EtcdVersion;
  readonly #clientPorts: ReadonlyMap<string, number>;
  readonly #processes = new Map<string, ProcessRecord>();

  private constructor(parts: {
    installation: EtcdInstallation;
    tls: EtcdClientTls;
    directory: string;
    programs: string;
    version: EtcdVersion;
    clientPorts: ReadonlyMap<string, number>;
  }) {
    this.installation = parts.installation;
    this.tls = parts.tls;
    this.#directory = parts.directory;
    this.#programs = parts.programs;
    this.#version = parts.version;
    this.#clientPorts = parts.clientPorts;
  }

  static async create(
    version: EtcdVersion,
    members: 1 | 3,
    changes: Partial<EtcdInstallation> = {},
  ): Promise<RestoredEtcd> {
    const directory = await mkdtemp(join(tmpdir(), 'lifeboat-restored-'));
    const authority = createAuthority('etcd-signer');
    const server = issueCertificate(authority, { commonName: 'etcd', dnsNames: ['localhost'] });
    await writeFile(join(directory, 'ca.crt'), authority.certificate);
    await writeFile(join(directory, 'tls.crt'), server.certificate);
    await writeFile(join(directory, 'tls.key'), server.key, { mode: 0o600 });
    const client = issueCertificate(authority, { commonName: 'lifeboat' });
    const ports = await freePorts(2 * members);
    const installed = installedEtcd(members, changes);
    const clientPorts = new Map(installed.members.map(({ pod }, index) => [pod, ports[members + index] ?? 0]));
    for (const { pod } of installed.members) await mkdir(join(directory, pod));
    return new RestoredEtcd({
      installation: {
        ...installed,
        members: installed.members.map((member, index) => ({
          ...member,
          peerUrl: `http://127.0.0.1:${ports[index] ?? 0}`,
        })),
      },
      tls: {
        ca: authority.certificate,
        certificate: client.certificate,
        key: new Secret(client.key),
        serverName: 'localhost',
      },
      directory,
      programs: await etcdPrograms(version),
      version,
      clientPorts,
    });
  }

  readonly cluster: Pick<Cluster, 'openTunnel'> = {
    openTunnel: async ({ pod }) => {
      const socket = connect(this.#clientPorts.get(pod) ?? 0, '127.0.0.1');
      await once(socket, 'connect').catch((cause: unknown) => {
        throw new TunnelError(`nothing listens on the port of ${pod}`, { cause });
      });
      return socket;
    },
  };

  get pods(): string[] {
    return this.installation.members.map(({ pod }) => pod);
  }

  volume(pod: string): string {
    return join(this.#directory, pod);
  }

  /** Does all that a preparation's pod does for a member; `installation` for a cluster of other members. */
  async prepare(
    pod: string,
    { file, sha256, bump }: SnapshotToRestore,
    installation = this.installation,
  ): Promise<string[]> {
    const plan = {
      operation: OPERATION,
      sizeBytes: file.length,
      sha256,
      clusterToken: OPERATION,
      bump,
      etcdVersion: this.#version,
      input: 'file' as const,
    };
    return this.#runPod(preparationPod(...this.#placed(pod, installation), plan), file);
  }

  async swap(pod: string, action: SwapPlan['action'] = 'swap'): Promise<string[]> {
    return this.#runPod(swapPod(...this.#placed(pod, this.installation), { operation: OPERATION, action }));
  }

  /** Starts a member from its volume, with flags beside or in place of the usual ones. */
  async start(pod: string, others: Readonly<Record<string, string>> = {}): Promise<void> {
    const { peerUrl } = this.#member(pod);
    const client = `https://127.0.0.1:${this.#clientPorts.get(pod) ?? 0}`;
    const { members, dataDirectory } = this.installation;
    const flags = {
      name: pod,
      'data-dir': join(this.volume(pod), dataDirectory),
      'listen-client-urls': client,
      'advertise-client-urls': client,
      'listen-peer-urls': peerUrl,
      'initial-advertise-peer-urls': peerUrl,
      'initial-cluster': members.map((member) => `${member.pod}=${member.peerUrl}`).join(','),
      'client-cert-auth': 'true',
      'trusted-ca-file': join(this.#directory, 'ca.crt'),
      'cert-file': join(this.#directory, 'tls.crt'),
      'key-file': join(this.#directory, 'tls.key'),
      'unsafe-no-fsync': 'true',
      // A busy machine must not decide who leads, nor for how long.
      'heartbeat-interval': '300',
      'election-timeout': '3000',
      ...others,
    };
    const command = Object.entries(flags).map(([flag, value]) => `--${flag}=${value}`);
    const logPath = join(this.#directory, `${pod}.log`);
    this.#processes.set(
      pod,
      await startDetached({ name: pod, command: [join(this.#programs, 'etcd'), ...command], logPath }),
    );
  }

  async kill(pod: string): Promise<void> {
    const process = this.#processes.get(pod);
    if (process !== undefined) await killProcess(process);
  }

  async remove(): Promise<void> {
    await Promise.all(this.pods.map((pod) => this.kill(pod)));
    await rm(this.#directory, { recursive: true, force: true });
  }

  #member(pod: string): EtcdInstallation['members'][number] {
    const member = this.installation.members.find((candidate) => candidate.pod === pod);
    if (member === undefined) throw new Error(`there is no member ${pod}`);
    return member;
  }

  /** An installation as the pods of one member see it: its volume is mounted elsewhere for each. */
  #placed(pod: string, installation: EtcdInstallation): [EtcdInstallation, ReturnType<typeof memberOf>] {
    return [{ ...installation, mountPath: this.volume(pod) }, this.#member(pod)];
  }

  /** Runs the containers of a pod one after the other, and gives what each has printed. */
  async #runPod(pod: KubernetesObject, input?: Uint8Array): Promise<string[]> {
    const printed: string[] = [];
    for (const { command, stdin } of containersOf(pod)) {
      const [program, ...args] = command;
      const run = program === 'sh' ? ['/bin/busybox', 'sh'] : [join(this.#programs, program)];
      const [path = '', ...words] = [...run, ...args];
      printed.push(await requireCommand(path, words, stdin === true && input !== undefined ? { input } : {}));
    }
    return printed;
  }
}
