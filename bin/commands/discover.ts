import pLimit from 'p-limit';
import { LifeboatError } from '../../lambdas/domain/errors.ts';
import { platforms } from '../../lambdas/platforms/registry.ts';
import type { Ports } from '../local/ports.ts';
import { describeError, errorAsJson, EXIT, exitCodeFor } from '../output/exit-codes.ts';
import { formatTable } from '../output/format.ts';
import type { CommandResult } from './result.ts';

/** More at once gains little and looks like an attack to a proxy in front of many API servers. */
const CLUSTERS_AT_ONCE = 8;

/** One control plane as `lifeboat discover` lists it. */
export interface Discovered {
  readonly controlPlane: string;
  readonly platform: string;
  readonly uid: string;
  readonly version: string | null;
  readonly state: string;
}

/** What was found, and which management clusters could not be asked. */
export interface Discovery {
  readonly controlPlanes: readonly Discovered[];
  readonly failures: readonly DiscoveryFailure[];
}

export interface DiscoveryFailure {
  readonly managementCluster: string;
  readonly error: LifeboatError;
}

/** Asks every management cluster at once; one that does not answer hides no other. */
export async function discoverAll(ports: Ports): Promise<Discovery> {
  const limit = pLimit(CLUSTERS_AT_ONCE);
  const failures: DiscoveryFailure[] = [];
  const found = await Promise.all(
    ports.managementClusters.map((managementCluster) =>
      limit(async () => {
        try {
          return await discoverOne(ports, managementCluster);
        } catch (error) {
          if (!(error instanceof LifeboatError)) throw error;
          failures.push({ managementCluster, error });
          return [];
        }
      }),
    ),
  );
  return { controlPlanes: found.flat(), failures };
}

async function discoverOne(ports: Ports, managementCluster: string): Promise<Discovered[]> {
  const { api } = await ports.connect(managementCluster);
  const found = await Promise.all(
    Object.values(platforms).map(async (platform) =>
      (await platform.discover(api)).map(({ namespace, name, ...facts }) => ({
        controlPlane: `${managementCluster}/${namespace}/${name}`,
        platform: platform.name,
        ...facts,
      })),
    ),
  );
  return found.flat();
}

/** `lifeboat discover`: every control plane of every configured management cluster. */
export async function discover(ports: Ports): Promise<CommandResult> {
  const { controlPlanes, failures } = await discoverAll(ports);
  const rows = controlPlanes.map(({ controlPlane, platform, version, state }) => [
    controlPlane,
    platform,
    version ?? '-',
    state,
  ]);
  const table =
    rows.length === 0 ? 'no control planes' : formatTable(['CONTROL PLANE', 'PLATFORM', 'VERSION', 'STATE'], rows);
  return {
    json: { controlPlanes, failures: failures.map(failureAsJson) },
    text: [table, ...failures.map(describeFailure)].join('\n'),
    exitCode: exitCodeForFailures(failures),
  };
}

export function describeFailure({ managementCluster, error }: DiscoveryFailure): string {
  return `${managementCluster}: ${describeError(error)}`;
}

export function failureAsJson({ managementCluster, error }: DiscoveryFailure): object {
  return { managementCluster, ...errorAsJson(error) };
}

/** That of the failure which a person has to mend: as long as there is one, trying again does not help. */
export function exitCodeForFailures(failures: readonly DiscoveryFailure[]): number {
  return Math.max(EXIT.done, ...failures.map(({ error }) => exitCodeFor(error)));
}
