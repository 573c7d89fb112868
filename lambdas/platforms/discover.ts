import pLimit from 'p-limit';
import type { PlatformName } from '../domain/control-plane.ts';
import { LifeboatError } from '../domain/errors.ts';
import type { Cluster } from '../kube/cluster.ts';
import type { DiscoveredControlPlane } from './platform.ts';
import { platforms } from './registry.ts';

/** More at once gains little and looks like an attack to a proxy in front of many API servers. */
const CLUSTERS_AT_ONCE = 8;

/** The cluster of this name; connected once, and closed by whoever made the function. */
export type Connect = (managementCluster: string) => Promise<Cluster>;

/** A control plane with its full name. */
export interface Discovered extends Omit<DiscoveredControlPlane, 'namespace' | 'name'> {
  readonly controlPlane: string;
  readonly platform: PlatformName;
}

/** What was found, which platforms are served where, and which management clusters could not be asked. */
export interface Discovery {
  readonly controlPlanes: readonly Discovered[];
  readonly served: readonly ServedPlatform[];
  readonly failures: readonly DiscoveryFailure[];
}

interface ServedPlatform {
  readonly managementCluster: string;
  readonly platform: PlatformName;
}

export interface DiscoveryFailure {
  readonly managementCluster: string;
  readonly error: LifeboatError;
}

/** Asks every management cluster; one that does not answer hides no other. */
export async function discoverAll(managementClusters: readonly string[], connect: Connect): Promise<Discovery> {
  const limit = pLimit(CLUSTERS_AT_ONCE);
  const failures: DiscoveryFailure[] = [];
  const found = await limit.map(managementClusters, async (managementCluster) => {
    try {
      return await discoverOne(managementCluster, await connect(managementCluster));
    } catch (error) {
      if (!(error instanceof LifeboatError)) throw error;
      failures.push({ managementCluster, error });
      return [];
    }
  });
  return {
    controlPlanes: found.flat().flatMap(({ controlPlanes }) => controlPlanes),
    served: found.flat().map(({ managementCluster, platform }) => ({ managementCluster, platform })),
    failures,
  };
}

/** The control planes of every platform that the cluster serves. */
async function discoverOne(
  managementCluster: string,
  { api, namespaces }: Cluster,
): Promise<(ServedPlatform & { readonly controlPlanes: readonly Discovered[] })[]> {
  const found = await Promise.all(
    Object.values(platforms).map(async (platform) => {
      const controlPlanes = await platform.discover(api, namespaces);
      if (controlPlanes === undefined) return [];
      const named = controlPlanes.map(({ namespace, name, ...facts }) => ({
        controlPlane: `${managementCluster}/${namespace}/${name}`,
        platform: platform.name,
        ...facts,
      }));
      return [{ managementCluster, platform: platform.name, controlPlanes: named }];
    }),
  );
  return found.flat();
}
