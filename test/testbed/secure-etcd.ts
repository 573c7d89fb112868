import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { EtcdClientTls, EtcdWorkload } from '../../lambdas/domain/etcd-workload.ts';
import { TunnelError } from '../../lambdas/domain/errors.ts';
import { Secret } from '../../lambdas/domain/secret.ts';
import type { Cluster } from '../../lambdas/kube/cluster.ts';
import { ensureBinaries } from './binaries.ts';
import { createAuthority, issueCertificate, type CertificateRequest, type KeyPair } from './certificates.ts';
import { requireCommand } from './command.ts';
import { TestbedError } from './errors.ts';
import { freePorts } from './free-ports.ts';
import { killProcess, requireRunning, signalProcess, startDetached, type ProcessRecord } from './process.ts';
import { waitFor } from './waiting.ts';

export interface SecureEtcdOptions {
  readonly release: '3.5' | '3.6';
  readonly members?: 1 | 3;
}

interface Member {
  readonly pod: string;
  readonly clientPort: number;
  readonly metricsPort: number;
  process: ProcessRecord;
}

/**
 * An etcd on loopback that demands client certificates, described as a platform would describe it: "pods" are its
 * processes, and a "tunnel" is a plain connection to the process's port.
 */
export class SecureEtcd {
  readonly workload: EtcdWorkload;
  readonly authority: KeyPair;
  readonly #directory: string;
  readonly #etcdctl: string;
  readonly #members: readonly Member[];

  private constructor(directory: string, etcdctl: string, authority: KeyPair, members: readonly Member[]) {
    this.#directory = directory;
    this.#etcdctl = etcdctl;
    this.#members = members;
    this.authority = authority;
    this.workload = {
      kind: 'etcd',
      name: 'main',
      namespace: 'clusters-test',
      members: members.map(({ pod }) => ({ pod, ready: true })),
      clientPort: 2379,
      tls: this.clientTls({ commonName: 'lifeboat' }),
    };
  }

  static async start({ release, members: count = 1 }: SecureEtcdOptions): Promise<SecureEtcd> {
    const { etcd35Parts, kubernetesParts } = await ensureBinaries(() => undefined);
    const programs = release === '3.5' ? etcd35Parts : kubernetesParts;
    const directory = await mkdtemp(join(tmpdir(), 'lifeboat-etcd-'));
    const authority = createAuthority('etcd-signer');
    const server = issueCertificate(authority, {
      commonName: 'etcd',
      dnsNames: ['localhost'],
      ipAddresses: ['127.0.0.1'],
    });
    const files = {
      ca: join(directory, 'ca.crt'),
      certificate: join(directory, 'tls.crt'),
      key: join(directory, 'tls.key'),
    };
    await writeFile(files.ca, authority.certificate);
    await writeFile(files.certificate, server.certificate);
    await writeFile(files.key, server.key);
    const ports = await freePorts(3 * count);
    const peerUrl = (index: number): string => `http://127.0.0.1:${ports[3 * index + 1] ?? 0}`;
    const initialCluster = Array.from({ length: count }, (_, index) => `etcd-${index}=${peerUrl(index)}`).join(',');
    const members = await Promise.all(
      Array.from({ length: count }, async (_, index): Promise<Member> => {
        const [clientPort = 0, , metricsPort = 0] = ports.slice(3 * index);
        const pod = `etcd-${index}`;
        const client = `https://127.0.0.1:${clientPort}`;
        const flags = {
          name: pod,
          'data-dir': join(directory, pod),
          'listen-client-urls': client,
          'advertise-client-urls': client,
          'listen-peer-urls': peerUrl(index),
          'initial-advertise-peer-urls': peerUrl(index),
          'initial-cluster': initialCluster,
          'listen-metrics-urls': `http://127.0.0.1:${metricsPort}`,
          'client-cert-auth': 'true',
          'trusted-ca-file': files.ca,
          'cert-file': files.certificate,
          'key-file': files.key,
          'quota-backend-bytes': '8589934592',
          // No fsync: the disk of a shared machine must not decide how long a test takes.
          'unsafe-no-fsync': 'true',
          // Nor may its stolen processor time decide who leads: tests name the member that they disturb.
          'heartbeat-interval': '500',
          'election-timeout': '5000',
        };
        const process = await startDetached({
          name: pod,
          command: [join(programs, 'etcd'), ...Object.entries(flags).map(([flag, value]) => `--${flag}=${value}`)],
          logPath: join(directory, `${pod}.log`),
        });
        return { pod, clientPort, metricsPort, process };
      }),
    );
    const etcd = new SecureEtcd(directory, join(programs, 'etcdctl'), authority, members);
    try {
      await Promise.all(members.map((member) => etcd.#waitUntilHealthy(member)));
    } catch (error) {
      await etcd.stop();
      throw error;
    }
    return etcd;
  }

  /** How the product reaches the members: in place of a tunnel, a connection to the member's port. */
  readonly cluster: Pick<Cluster, 'openTunnel'> = {
    openTunnel: async ({ pod }) => {
      const socket = connect(this.clientPort(pod), '127.0.0.1');
      await once(socket, 'connect').catch((cause: unknown) => {
        throw new TunnelError(`nothing listens on the port of ${pod}`, { cause });
      });
      return socket;
    },
  };

  /** TLS of a client with a certificate of etcd's own authority, or of another one. */
  clientTls(request: CertificateRequest, authority = this.authority): EtcdClientTls {
    const { certificate, key } = issueCertificate(authority, request);
    return { ca: this.authority.certificate, certificate, key: new Secret(key), serverName: 'localhost' };
  }

  clientPort(pod: string): number {
    return this.#member(pod).clientPort;
  }

  /** Stops a member in its tracks and waits until it stands still: a signal takes its time on a busy machine. */
  async freeze(pod: string): Promise<void> {
    const { process } = this.#member(pod);
    await signalProcess(process, 'SIGSTOP');
    const tasks = `/proc/${process.pid}/task`;
    await waitFor(
      `${pod} to stand still`,
      async () => {
        const states = await Promise.all(
          (await readdir(tasks)).map((task) => readFile(join(tasks, task, 'status'), 'utf8').catch(() => '')),
        );
        return states.every((state) => !/^State:\t[^T]/m.test(state));
      },
      { timeoutSeconds: 20, intervalMilliseconds: 10 },
    );
  }

  /** Lets a frozen member go on. */
  async thaw(pod: string): Promise<void> {
    await signalProcess(this.#member(pod).process, 'SIGCONT');
  }

  /** Ends a member at once, as a power failure would. */
  async kill(pod: string): Promise<void> {
    await killProcess(this.#member(pod).process);
  }

  /** Read transactions that are open on a member's file: one more for every snapshot that it streams. */
  async openReadTransactions(pod: string): Promise<number> {
    // etcd counts them only when it commits a write.
    await this.etcdctl('put', 'commit', 'now');
    const answer = await fetch(`http://127.0.0.1:${this.#member(pod).metricsPort}/metrics`);
    return Number(/^etcd_mvcc_db_open_read_transactions (\d+)$/m.exec(await answer.text())?.[1]);
  }

  /** The same while nobody reads: what three looks in a row see, for those of readers that have just ended close a moment later. */
  async idleReadTransactions(pod: string): Promise<number> {
    const seen: number[] = [];
    return await waitFor(
      `a steady number of read transactions of ${pod}`,
      async () => {
        seen.push(await this.openReadTransactions(pod));
        const [last, ...before] = seen.slice(-3).reverse();
        return before.length === 2 && before.every((one) => one === last) ? last : undefined;
      },
      { timeoutSeconds: 60, intervalMilliseconds: 200 },
    );
  }

  /** Runs etcdctl of the same release against all members. */
  async etcdctl(...args: readonly string[]): Promise<string> {
    const { certificate, key } = this.workload.tls;
    const [certificateFile, keyFile] = [join(this.#directory, 'client.crt'), join(this.#directory, 'client.key')];
    await writeFile(certificateFile, certificate);
    await writeFile(keyFile, key.reveal());
    return requireCommand(this.#etcdctl, [
      `--endpoints=${this.#members.map(({ clientPort }) => `https://localhost:${clientPort}`).join(',')}`,
      `--cacert=${join(this.#directory, 'ca.crt')}`,
      `--cert=${certificateFile}`,
      `--key=${keyFile}`,
      ...args,
    ]);
  }

  async stop(): Promise<void> {
    await Promise.all(this.#members.map(({ process }) => killProcess(process)));
    await rm(this.#directory, { recursive: true, force: true });
  }

  #member(pod: string): Member {
    const member = this.#members.find((candidate) => candidate.pod === pod);
    if (member === undefined) throw new TestbedError(`there is no member ${pod}`);
    return member;
  }

  async #waitUntilHealthy({ pod, process, metricsPort }: Member): Promise<void> {
    await waitFor(
      `${pod} to be healthy`,
      async () => {
        await requireRunning(process);
        return fetch(`http://127.0.0.1:${metricsPort}/health`).then(
          (answer) => answer.ok,
          () => false,
        );
      },
      { timeoutSeconds: 30 },
    );
  }
}
