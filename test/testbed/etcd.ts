import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as z from 'zod';
import { ensureBinaries } from './binaries.ts';
import { requireCommand } from './command.ts';
import { TestbedError } from './errors.ts';
import { type ProcessRecord, requireRunning, startDetached, stopProcess } from './process.ts';
import { waitFor } from './waiting.ts';

/** The two releases of etcd that the test bed has. */
export type EtcdVersion = '3.5.21' | '3.6.5';

export interface EtcdOptions {
  readonly version: EtcdVersion;
  readonly members?: 1 | 3;
}

/** A plain etcd cluster on loopback, without TLS, for tests of what needs an etcd and no Kubernetes. */
export interface TestEtcd {
  /** Client URLs, one a member. */
  readonly endpoints: readonly string[];
  /** Runs etcdctl of the same version against all endpoints, or the one given; returns what it prints. */
  etcdctl(args: readonly string[], options?: { endpoint?: string; input?: string | Uint8Array }): Promise<string>;
  /** Calls the JSON form of the API, e.g. `kv/txn`; byte strings in it are base64. Returns the revision it was done at. */
  call(method: string, request: object): Promise<number>;
  /** Ends all members and removes their data. */
  stop(): Promise<void>;
}

const answerSchema = z.object({ header: z.object({ revision: z.coerce.number().int() }) });

/** The directory with links named etcd, etcdctl and etcdutl of a version. */
export async function etcdPrograms(version: EtcdVersion): Promise<string> {
  const binaries = await ensureBinaries(() => undefined);
  return version === '3.6.5' ? binaries.kubernetesParts : binaries.etcd35Parts;
}

/** Starts a cluster on free ports and waits until it has a leader. It survives us unless `stop` is called. */
export async function startEtcd({ version, members = 1 }: EtcdOptions): Promise<TestEtcd> {
  const programs = await etcdPrograms(version);
  const directory = await mkdtemp(join(tmpdir(), 'lifeboat-etcd-'));
  const ports = await freePorts(members * 2);
  const url = (port: number | undefined) => `http://127.0.0.1:${port}`;
  const nodes = Array.from({ length: members }, (_, index) => ({
    name: `m${index}`,
    client: url(ports[index * 2]),
    peer: url(ports[index * 2 + 1]),
  }));
  const endpoints = nodes.map(({ client }) => client);
  const processes: ProcessRecord[] = [];
  const stop = async () => {
    await Promise.all(processes.map((process) => stopProcess(process)));
    await rm(directory, { recursive: true, force: true });
  };
  const etcd: TestEtcd = {
    endpoints,
    etcdctl: async (args, { endpoint = endpoints.join(','), input } = {}) =>
      await requireCommand(
        join(programs, 'etcdctl'),
        ['--endpoints', endpoint, ...args],
        input === undefined ? {} : { input },
      ),
    call: async (method, request) => {
      const response = await fetch(`${endpoints[0]}/v3/${method}`, { method: 'POST', body: JSON.stringify(request) });
      const answer = await response.text();
      if (!response.ok) throw new TestbedError(`etcd answered ${method} with ${response.status}: ${answer}`);
      return answerSchema.parse(JSON.parse(answer)).header.revision;
    },
    stop,
  };
  try {
    for (const { name, client, peer } of nodes) {
      await mkdir(join(directory, name), { mode: 0o700 });
      const flags = {
        name,
        'data-dir': join(directory, name),
        'listen-client-urls': client,
        'advertise-client-urls': client,
        'listen-peer-urls': peer,
        'initial-advertise-peer-urls': peer,
        'initial-cluster': nodes.map((node) => `${node.name}=${node.peer}`).join(','),
        'quota-backend-bytes': String(8 * 1024 ** 3),
        'max-request-bytes': String(16 * 1024 ** 2),
        'unsafe-no-fsync': 'true',
      };
      processes.push(
        await startDetached({
          name: `etcd ${version} ${name}`,
          command: [join(programs, 'etcd'), ...Object.entries(flags).map(([flag, value]) => `--${flag}=${value}`)],
          logPath: join(directory, `${name}.log`),
        }),
      );
    }
    for (const [index, endpoint] of endpoints.entries()) {
      await waitFor(`etcd at ${endpoint}`, () => isHealthy(endpoint, processes[index]), { timeoutSeconds: 30 });
    }
    return etcd;
  } catch (error) {
    await stop();
    throw error;
  }
}

async function isHealthy(endpoint: string, process: ProcessRecord | undefined): Promise<boolean> {
  if (process !== undefined) await requireRunning(process);
  return await fetch(`${endpoint}/health`).then(
    (response) => response.ok,
    () => false,
  );
}

/** Ports that were free a moment ago; all are held at once so that they differ. */
async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from(
      { length: count },
      async () =>
        await new Promise<ReturnType<typeof createServer>>((resolve, reject) => {
          const server = createServer().once('error', reject);
          server.listen(0, '127.0.0.1', () => {
            resolve(server);
          });
        }),
    ),
  );
  return await Promise.all(
    servers.map(
      async (server) =>
        await new Promise<number>((resolve) => {
          const address = server.address();
          server.close(() => {
            resolve(typeof address === 'object' && address !== null ? address.port : 0);
          });
        }),
    ),
  );
}
