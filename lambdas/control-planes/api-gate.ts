import { KubeApi } from '../kube/kube-api.ts';
import { parseKubeconfig } from '../kube/kubeconfig.ts';
import type { Site } from './site.ts';

/** Asks one of the API servers, through its pod: no name, load balancer or firewall of the control plane is needed. */
export async function isApiReady(
  { platform, cluster, name }: Site,
  { signal }: { readonly signal: AbortSignal },
): Promise<boolean> {
  const { namespace, pods, port, kubeconfig } = await platform.apiServers.reach(cluster.api, name);
  const [pod] = pods;
  if (pod === undefined) return false;
  const api = new KubeApi(parseKubeconfig(kubeconfig.reveal(), `the administrator's kubeconfig of ${name.name}`), {
    attempts: 1,
    openSocket: () => cluster.openTunnel({ namespace, pod, port }, { signal }),
  });
  try {
    return await api.readyz({ signal });
  } finally {
    api.close();
  }
}
