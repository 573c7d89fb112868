import type { ControlPlaneName } from '../domain/control-plane.ts';
import type { Cluster } from '../kube/cluster.ts';
import type { Platform } from '../platforms/platform.ts';

/** A control plane at the place where it is worked on. */
export interface Site {
  readonly name: ControlPlaneName;
  readonly platform: Platform;
  /** Its management cluster. */
  readonly cluster: Cluster;
}
