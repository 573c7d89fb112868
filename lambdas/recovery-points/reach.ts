import type { Access } from '../datastores/driver.ts';
import type { ControlPlaneName } from '../domain/control-plane.ts';
import type { Cluster } from '../kube/cluster.ts';
import type { DescribedControlPlane, Platform } from '../platforms/platform.ts';

/** A control plane as it runs, and how its datastores are got at. */
export interface ReachedControlPlane extends DescribedControlPlane {
  readonly access: Access;
}

/** Errors of the platform's `describe` and `etcdTls`. */
export async function reachControlPlane(
  name: ControlPlaneName,
  platform: Platform,
  cluster: Cluster,
  signal: AbortSignal,
): Promise<ReachedControlPlane> {
  // One that is gone is told as such, and not by its Secrets that are gone as well.
  const described = await platform.describe(cluster.api, name);
  return { ...described, access: await accessTo({ name, platform, cluster }, signal) };
}

/** How the datastores of a control plane are got at, also while they have no pods. Errors of the platform's `etcdTls`. */
export async function accessTo(
  {
    name,
    platform,
    cluster,
  }: { readonly name: ControlPlaneName; readonly platform: Platform; readonly cluster: Cluster },
  signal: AbortSignal,
): Promise<Access> {
  return { cluster, signal, tls: await platform.datastoreAccess.etcdTls(cluster.api, name) };
}
