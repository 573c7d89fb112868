import type { Duplex } from 'node:stream';
import { KubeApi } from './kube-api.ts';
import { parseKubeconfig } from './kubeconfig.ts';
import type { Kubeconfigs } from './kubeconfigs.ts';
import { openPodTunnel, type PodTarget, type TunnelOptions } from './pod-tunnel.ts';

/** One management cluster: its API, and tunnels to its pods. */
export interface Cluster {
  readonly name: string;
  readonly api: KubeApi;
  openTunnel(target: PodTarget, options?: TunnelOptions): Promise<Duplex>;
  /** Closes the API's connections; tunnels end with whoever opened them. */
  close(): void;
}

/** Reads and checks the kubeconfig of a management cluster; no connection is made before the first call. */
export async function connectCluster(kubeconfigs: Kubeconfigs, name: string): Promise<Cluster> {
  const { text, source } = await kubeconfigs.read(name);
  const access = parseKubeconfig(text.reveal(), source);
  const api = new KubeApi(access);
  return {
    name,
    api,
    openTunnel: (target, options) => openPodTunnel(access, target, options),
    close: () => {
      api.close();
    },
  };
}
