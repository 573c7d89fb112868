import { formatControlPlaneName } from '../../lambdas/domain/control-plane.ts';
import type { PolicyStatus } from '../../lambdas/domain/policy-status.ts';
import { discoverAll } from '../../lambdas/platforms/discover.ts';
import { policyStatuses } from '../../lambdas/policy-runs/status.ts';
import { newestVerified, type CataloguedPoint, type UnreadablePoint } from '../../lambdas/store/catalogue.ts';
import type { Ports } from '../local/ports.ts';
import { EXIT } from '../output/exit-codes.ts';
import { formatAge, formatTable } from '../output/format.ts';
import { describeFailure, exitCodeForFailures, failureAsJson } from './discover.ts';
import type { CommandResult } from './result.ts';

interface ControlPlaneStatus {
  readonly controlPlane: string;
  /** Whether it exists now; null when its management cluster could not be asked. */
  readonly exists: boolean | null;
  readonly recoveryPoints: number;
  readonly notVerified: number;
  readonly newestVerified: { readonly id: string; readonly takenAt: string; readonly ageSeconds: number } | null;
}

/** `lifeboat status`: the age of the newest verified recovery point of every control plane, and how the policies stand. */
export async function status(ports: Ports): Promise<CommandResult> {
  const [{ controlPlanes, failures }, points, policies] = await Promise.all([
    discoverAll(ports.managementClusters, ports.connect),
    Array.fromAsync(ports.catalogue.points()),
    policyStatuses(ports),
  ]);
  const existing = new Set(controlPlanes.map(({ controlPlane }) => controlPlane));
  const unreachable = new Set(failures.map(({ managementCluster }) => managementCluster));
  const byControlPlane = Map.groupBy(points, (point) => formatControlPlaneName(point.address.controlPlane));
  const now = ports.clock();
  const statuses = [...new Set([...existing, ...byControlPlane.keys()])].sort().map((controlPlane) => {
    const [managementCluster = ''] = controlPlane.split('/');
    const exists = unreachable.has(managementCluster) ? null : existing.has(controlPlane);
    return describe(controlPlane, exists, byControlPlane.get(controlPlane) ?? [], now);
  });
  const unprotected = statuses.filter(({ exists, newestVerified }) => exists === true && newestVerified === null);
  const late = policies.some(({ beyondObjective }) => beyondObjective.length > 0);
  return {
    json: { controlPlanes: statuses, policies, failures: failures.map(failureAsJson) },
    text: [
      statuses.length === 0 ? 'no control planes and no recovery points' : table(statuses, now),
      ...(policies.length === 0 ? [] : ['', policyTable(policies, now)]),
      ...policies.flatMap(({ policy, problems }) => problems.map((problem) => `policy ${policy}: ${problem}`)),
      ...failures.map(describeFailure),
      ...unprotected.map(({ controlPlane }) => `${controlPlane} has no verified recovery point`),
    ].join('\n'),
    exitCode: unprotected.length > 0 || late ? EXIT.refused : exitCodeForFailures(failures),
  };
}

function describe(
  controlPlane: string,
  exists: boolean | null,
  points: readonly (CataloguedPoint | UnreadablePoint)[],
  now: Date,
): ControlPlaneStatus {
  const verified = points.filter((point) => 'manifest' in point && point.verdict === 'verified');
  const newest = newestVerified(points, now);
  return {
    controlPlane,
    exists,
    recoveryPoints: points.length,
    notVerified: points.length - verified.length,
    newestVerified:
      newest === undefined
        ? null
        : {
            id: newest.address.id,
            takenAt: newest.manifest.takenAt,
            ageSeconds: Math.max(0, Math.round((now.getTime() - Date.parse(newest.manifest.takenAt)) / 1000)),
          },
  };
}

function table(statuses: readonly ControlPlaneStatus[], now: Date): string {
  const existence = (exists: boolean | null) => (exists === null ? 'unknown' : exists ? 'yes' : 'no');
  return formatTable(
    ['CONTROL PLANE', 'EXISTS', 'NEWEST VERIFIED', 'POINTS', 'NOT VERIFIED', 'ID'],
    statuses.map(({ controlPlane, exists, newestVerified, recoveryPoints, notVerified }) => [
      controlPlane,
      existence(exists),
      newestVerified === null ? 'none' : `${formatAge(new Date(newestVerified.takenAt), now)} ago`,
      String(recoveryPoints),
      String(notVerified),
      newestVerified?.id ?? '-',
    ]),
  );
}

function policyTable(policies: readonly PolicyStatus[], now: Date): string {
  return formatTable(
    ['POLICY', 'LAST RUN', 'RESULT', 'CONTROL PLANES', 'BEYOND OBJECTIVE'],
    policies.map(({ policy, lastRun, controlPlanes, beyondObjective }) => [
      policy,
      lastRun === null ? 'never' : `${formatAge(new Date(lastRun.finishedAt), now)} ago`,
      lastRun?.status ?? '-',
      String(controlPlanes),
      String(beyondObjective.length),
    ]),
  );
}
