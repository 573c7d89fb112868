import pLimit from 'p-limit';
import type { ControlPlaneName, PlatformName } from '../domain/control-plane.ts';
import { LifeboatError, NotFoundError } from '../domain/errors.ts';
import type { Cluster } from '../kube/cluster.ts';
import type { DiscoveredControlPlane, Platform } from './platform.ts';
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

/**
 * The platform that runs a control plane: the only one that the cluster serves, whether or not it has one of that name, or that
 * of several which has it. NotFoundError when there is none.
 */
export async function platformOf(
  { managementCluster, namespace, name }: ControlPlaneName,
  { api }: Pick<Cluster, 'api'>,
  known: readonly Platform[] = Object.values(platforms),
): Promise<Platform> {
  const served = await choose(known, async (platform) => (await platform.discover(api, [])) !== undefined);
  const [only] = served;
  if (only !== undefined && served.length === 1) return only;
  const [running] = await choose(served, async (platform) => {
    const found = await platform.discover(api, [namespace]);
    return found?.some((controlPlane) => controlPlane.name === name) === true;
  });
  if (running !== undefined) return running;
  const names = known.map((platform) => platform.name).join(', ');
  throw new NotFoundError(
    `${managementCluster} has no control plane ${namespace}/${name} of a platform that Lifeboat knows (${names})`,
    {
      remedy: 'Check that this is the right management cluster; "lifeboat discover" lists the control planes of all.',
    },
  );
}

async function choose<T>(from: readonly T[], isChosen: (one: T) => Promise<boolean>): Promise<T[]> {
  const chosen = await Promise.all(from.map(isChosen));
  return from.filter((_, index) => chosen[index]);
}
