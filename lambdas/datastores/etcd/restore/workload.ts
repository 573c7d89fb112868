import type { EtcdInstallation } from '../../../domain/etcd-installation.ts';
import type { EtcdClientTls, EtcdWorkload } from '../../../domain/etcd-workload.ts';

/** An installed etcd as clients reach it. */
export function workloadOf(installation: EtcdInstallation, tls: EtcdClientTls): EtcdWorkload {
  const { datastore, namespace, clientPort, members } = installation;
  const asked = members.map(({ pod }) => ({ pod, ready: true }));
  return { kind: 'etcd', name: datastore, namespace, clientPort, tls, members: asked };
}
