import type { ControlPlaneName, PlatformName } from '../domain/control-plane.ts';
import type { EtcdWorkload } from '../domain/etcd-workload.ts';
import type { KubernetesObject } from '../domain/kubernetes-object.ts';
import type { PolicyRule } from '../kube/enrolment-objects.ts';
import type { KubeApi } from '../kube/kube-api.ts';

/** One control plane as discovery finds it. */
export interface DiscoveredControlPlane {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly version: string | null;
  readonly labels: Readonly<Record<string, string>>;
  /** One sentence on its state for people, e.g. `available`, `paused until true`. */
  readonly state: string;
}

/** What a control plane is made of, as far as a recovery point needs it. */
export interface DescribedControlPlane {
  readonly uid: string;
  readonly version: string | null;
  readonly datastores: readonly EtcdWorkload[];
  /** What a person should know although the recovery point is complete, e.g. a datastore that is left out on purpose. */
  readonly warnings: readonly string[];
}

/**
 * One platform: it knows what its control planes are made of and changes nothing.
 * Errors of every method: those of {@link KubeApi}, and as each says.
 */
export interface Platform {
  readonly name: PlatformName;
  /** All that a backup may do on a management cluster; nothing in it writes. */
  readonly backupPermissions: readonly PolicyRule[];
  /** All that a restore in place may do, its safety snapshot included. */
  readonly restorePermissions: readonly PolicyRule[];
  /** The control planes of a management cluster; none when the cluster does not run this platform. */
  discover(api: KubeApi): Promise<DiscoveredControlPlane[]>;
  /** NotFoundError when there is no such control plane, NoUsableMemberError when its datastore can't be reached this way. */
  describe(api: KubeApi, name: ControlPlaneName): Promise<DescribedControlPlane>;
  /** Every object that a restore can't live without; IdentityIncompleteError names all that are referenced and missing. */
  captureIdentity(api: KubeApi, name: ControlPlaneName): Promise<KubernetesObject[]>;
}
