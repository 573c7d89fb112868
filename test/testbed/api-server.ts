import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensureBinaries } from './binaries.ts';
import {
  createAuthority,
  createSigningKey,
  issueCertificate,
  type CertificateRequest,
  type KeyPair,
} from './certificates.ts';
import { requireCommand } from './command.ts';
import { freePorts } from './free-ports.ts';
import { renderKubeconfig } from './kubeconfig.ts';
import { requireRunning, startDetached, stopProcess, type ProcessRecord } from './process.ts';
import { SecureEtcd } from './secure-etcd.ts';
import { waitFor } from './waiting.ts';

const ADMINISTRATOR = { commonName: 'administrator', organizations: ['system:masters'] };

/** A kube-apiserver with an etcd of its own on loopback and nothing else: for its API, not for pods. */
export class ApiServer {
  readonly port: number;
  readonly authority: KeyPair;
  readonly #directory: string;
  readonly #etcd: SecureEtcd;
  readonly #process: ProcessRecord;
  readonly #kubectl: string;

  private constructor(parts: {
    port: number;
    authority: KeyPair;
    directory: string;
    etcd: SecureEtcd;
    process: ProcessRecord;
    kubectl: string;
  }) {
    this.port = parts.port;
    this.authority = parts.authority;
    this.#directory = parts.directory;
    this.#etcd = parts.etcd;
    this.#process = parts.process;
    this.#kubectl = parts.kubectl;
  }

  static async start(): Promise<ApiServer> {
    const { kubernetesParts } = await ensureBinaries(() => undefined);
    const etcd = await SecureEtcd.start({ release: '3.6' });
    const directory = await mkdtemp(join(tmpdir(), 'lifeboat-api-server-'));
    const authority = createAuthority('kubernetes');
    const server = issueCertificate(authority, { commonName: 'kube-apiserver', ipAddresses: ['127.0.0.1'] });
    const signing = createSigningKey();
    const { tls } = etcd.workload;
    const write = async (name: string, content: string): Promise<string> => {
      await writeFile(join(directory, name), content, { mode: 0o600 });
      return join(directory, name);
    };
    const [port = 0] = await freePorts(1);
    const flags = {
      'etcd-servers': `https://127.0.0.1:${etcd.clientPort('etcd-0')}`,
      'etcd-cafile': await write('etcd-ca.crt', tls.ca),
      'etcd-certfile': await write('etcd.crt', tls.certificate),
      'etcd-keyfile': await write('etcd.key', tls.key.reveal()),
      'bind-address': '127.0.0.1',
      'secure-port': port,
      // Nobody reaches it there; loopback is not allowed.
      'advertise-address': '192.0.2.1',
      'endpoint-reconciler-type': 'none',
      'service-cluster-ip-range': '10.0.0.0/24',
      'authorization-mode': 'RBAC',
      'disable-admission-plugins': 'ServiceAccount',
      'client-ca-file': await write('ca.crt', authority.certificate),
      'tls-cert-file': await write('server.crt', server.certificate),
      'tls-private-key-file': await write('server.key', server.key),
      'service-account-issuer': 'https://kubernetes.default.svc',
      'service-account-key-file': await write('sa.pub', signing.publicKey),
      'service-account-signing-key-file': await write('sa.key', signing.key),
    };
    const process = await startDetached({
      name: 'kube-apiserver',
      command: [
        join(kubernetesParts, 'kube-apiserver'),
        ...Object.entries(flags).map(([flag, value]) => `--${flag}=${value}`),
      ],
      logPath: join(directory, 'kube-apiserver.log'),
    });
    const started = new ApiServer({
      port,
      authority,
      directory,
      etcd,
      process,
      kubectl: join(kubernetesParts, 'kubectl'),
    });
    try {
      await writeFile(started.#administrator, started.kubeconfig(ADMINISTRATOR));
      await waitFor(
        'kube-apiserver to be ready',
        async () => {
          await requireRunning(process);
          return started.kubectl(['get', '--raw', '/readyz']).catch(() => undefined);
        },
        { timeoutSeconds: 90, intervalMilliseconds: 500 },
      );
    } catch (error) {
      await started.stop();
      throw error;
    }
    return started;
  }

  /** A kubeconfig of a user by client certificate; `port` for one that leads through something in between. */
  kubeconfig(user: CertificateRequest, port = this.port, authority = this.authority): string {
    return renderKubeconfig({
      cluster: 'loopback',
      user: user.commonName,
      server: `https://127.0.0.1:${port}`,
      certificateAuthority: this.authority.certificate,
      client: issueCertificate(authority, user),
    });
  }

  /** Runs kubectl as an administrator. */
  async kubectl(args: readonly string[], input?: string): Promise<string> {
    return requireCommand(
      this.#kubectl,
      ['--kubeconfig', this.#administrator, '--cache-dir', join(this.#directory, 'cache'), ...args],
      input === undefined ? {} : { input },
    );
  }

  async stop(): Promise<void> {
    await stopProcess(this.#process, 1);
    await this.#etcd.stop();
    await rm(this.#directory, { recursive: true, force: true });
  }

  get #administrator(): string {
    return join(this.#directory, 'administrator.kubeconfig');
  }
}
