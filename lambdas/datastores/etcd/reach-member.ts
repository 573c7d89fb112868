import type { EtcdWorkload } from '../../domain/etcd-workload.ts';
import type { Cluster } from '../../kube/cluster.ts';
import { EtcdClient } from './wire/etcd-client.ts';

/** How members are reached: tunnels through their management cluster, until the signal ends it. */
export interface Reach {
  readonly cluster: Pick<Cluster, 'openTunnel'>;
  readonly signal: AbortSignal;
}

/** A client to one member, through a tunnel of its own. The caller closes it. */
export async function connectMember(
  { namespace, clientPort, tls }: EtcdWorkload,
  pod: string,
  { cluster, signal }: Reach,
): Promise<EtcdClient> {
  const openSocket = () => cluster.openTunnel({ namespace, pod, port: clientPort }, { signal });
  return EtcdClient.connect(openSocket, tls, { member: pod, signal });
}
