import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ManagementCluster } from '../testbed/management-cluster.ts';
import { TcpProxy } from '../testbed/tcp-proxy.ts';
import { enrolledKubeconfig } from './bed.ts';
import { varyKubeconfig } from './kubeconfig-variants.ts';

/** A way to a cluster's API server that a test can break. */
export interface ClusterDetour {
  readonly proxy: TcpProxy;
  /** That of the enrolled account, with the proxy's address. */
  readonly kubeconfigPath: string;
  close(): Promise<void>;
}

/** Starts a proxy before the API server of a cluster, and writes a kubeconfig that leads there. */
export async function openClusterDetour(cluster: ManagementCluster): Promise<ClusterDetour> {
  const { hostname, port } = new URL(cluster.server);
  const proxy = await TcpProxy.start({ host: hostname, port: Number(port) });
  const directory = await mkdtemp(join(tmpdir(), 'lifeboat-detour-'));
  const kubeconfigPath = join(directory, 'kubeconfig');
  const detour = { server: `https://127.0.0.1:${proxy.port}`, 'tls-server-name': 'kubernetes.default.svc' };
  const enrolled = await readFile(await enrolledKubeconfig(cluster), 'utf8');
  await writeFile(kubeconfigPath, varyKubeconfig(enrolled, { cluster: detour }), { mode: 0o600 });
  return {
    proxy,
    kubeconfigPath,
    close: async () => {
      await proxy.stop();
      await rm(directory, { recursive: true });
    },
  };
}
