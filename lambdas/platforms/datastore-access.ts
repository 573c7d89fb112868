import type { ControlPlaneName } from '../domain/control-plane.ts';
import type { EtcdClientTls } from '../domain/etcd-workload.ts';
import type { KubeApi } from '../kube/kube-api.ts';

/** What lets a client into the datastores of a control plane. Errors: those of {@link KubeApi}, and as each method says. */
export interface DatastoreAccess {
  /** For its etcds, also while they have no pods. IdentityIncompleteError when it is missing. */
  etcdTls(api: KubeApi, name: ControlPlaneName): Promise<EtcdClientTls>;
}
