import { discoverAll, type DiscoveryFailure } from '../../lambdas/platforms/discover.ts';
import type { Ports } from '../local/ports.ts';
import { describeError, errorAsJson, EXIT, exitCodeFor } from '../output/exit-codes.ts';
import { formatTable } from '../output/format.ts';
import type { CommandResult } from './result.ts';

/** `lifeboat discover`: every control plane of every configured management cluster. */
export async function discover(ports: Ports): Promise<CommandResult> {
  const { controlPlanes, failures } = await discoverAll(ports.managementClusters, ports.connect);
  const rows = controlPlanes.map(({ controlPlane, platform, version, state }) => [
    controlPlane,
    platform,
    version ?? '-',
    state,
  ]);
  const none =
    failures.length === 0 ? 'no control planes' : 'no control planes on the management clusters that answered';
  const table = rows.length === 0 ? none : formatTable(['CONTROL PLANE', 'PLATFORM', 'VERSION', 'STATE'], rows);
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
