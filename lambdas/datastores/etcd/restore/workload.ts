import { etcdOf, type EtcdInstallation } from '../../../domain/etcd-installation.ts';
import type { EtcdClientTls, EtcdWorkload } from '../../../domain/etcd-workload.ts';

/** An installed etcd as clients reach it. */
export function workloadOf(installation: EtcdInstallation, tls: EtcdClientTls): EtcdWorkload {
  return { ...etcdOf(installation), tls };
}
