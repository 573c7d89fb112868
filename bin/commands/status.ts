import { formatControlPlaneName } from '../../lambdas/domain/control-plane.ts';
import { describeAbsences, findAbsences, isDismissed } from '../../lambdas/domain/missing.ts';
import { describeStatus } from '../../lambdas/domain/policy-run.ts';
import { describeExpiry, isNearExpiry, type PolicyStatus } from '../../lambdas/domain/policy-status.ts';
import { describeUnfinished, unfinishedRestores } from '../../lambdas/operations/unfinished-restores.ts';
import { discoverAll, type Discovery } from '../../lambdas/platforms/discover.ts';
import { readCredentials, type CredentialsPorts } from '../../lambdas/policy-runs/credentials.ts';
import { readDismissals } from '../../lambdas/policy-runs/seen-before.ts';
import { policyStatuses } from '../../lambdas/policy-runs/status.ts';
import { newestVerified, type CataloguedPoint, type UnreadablePoint } from '../../lambdas/store/catalogue.ts';
import { missingStore } from '../local/missing-store.ts';
import type { Ports } from '../local/ports.ts';
import { EXIT } from '../output/exit-codes.ts';
import { formatAge, formatTable } from '../output/format.ts';
import { describeFailure, failureAsJson } from './discover.ts';
import type { CommandResult } from './result.ts';

type StatusPorts = CredentialsPorts &
  Pick<Ports, 'managementClusters' | 'configuration' | 'store' | 'catalogue' | 'journal' | 'locks' | 'clock'>;
type Points = readonly (CataloguedPoint | UnreadablePoint)[];

interface ControlPlaneStatus {
  readonly controlPlane: string;
  /** Whether it exists now; null when its management cluster could not be asked. */
  readonly exists: boolean | null;
  /** But for safety points. */
  readonly recoveryPoints: number;
  readonly notVerified: number;
  /** What restores have put aside. */
  readonly safetyPoints: number;
  readonly newestVerified: { readonly id: string; readonly takenAt: string; readonly ageSeconds: number } | null;
}

/**
 * `lifeboat status`: the age of the newest verified recovery point of every control plane, how the policies stand, and all that
 * is wrong, a sentence each. It works without AWS, and without policies.
 */
export async function status(ports: StatusPorts): Promise<CommandResult> {
  const [discovery, points, policies, unfinished] = await Promise.all([
    discoverAll(ports.managementClusters, ports.connect),
    Array.fromAsync(ports.catalogue.points()),
    policyStatuses(ports),
    unfinishedRestores(ports),
  ]);
  const { controlPlanes, failures } = discovery;
  const existing = new Set(controlPlanes.map(({ controlPlane }) => controlPlane));
  const unreachable = new Set(failures.map(({ managementCluster }) => managementCluster));
  const byControlPlane = Map.groupBy(points, (point) => formatControlPlaneName(point.address.controlPlane));
  const now = ports.clock();
  const statuses = [...new Set([...existing, ...byControlPlane.keys()])].sort().map((controlPlane) => {
    const [managementCluster = ''] = controlPlane.split('/');
    const exists = unreachable.has(managementCluster) ? null : existing.has(controlPlane);
    return describe(controlPlane, exists, byControlPlane.get(controlPlane) ?? [], now);
  });
  const missing = missingStore(ports.store);
  const found = [
    ...(missing === undefined ? [] : [missing]),
    ...unfinished.map(describeUnfinished),
    ...(await describeMissing(discovery, byControlPlane, now, ports)),
    ...statuses
      .filter(({ exists, newestVerified: newest }) => exists === true && newest === null)
      .map(({ controlPlane }) => `${controlPlane} has no verified recovery point`),
    ...points.flatMap(describeRefused),
    ...(await describeExpiries(ports)),
  ];
  const told = new Set(found);
  const ofPolicies = policies.flatMap(({ policy, problems }) =>
    problems.filter((problem) => !told.has(problem)).map((problem) => `policy ${policy}: ${problem}`),
  );
  const problems = [...failures.map(describeFailure), ...found, ...ofPolicies];
  const isPartly = failures.length > 0;
  return {
    json: { controlPlanes: statuses, policies, failures: failures.map(failureAsJson), problems },
    text: [
      ...(statuses.length > 0 ? [table(statuses, now)] : []),
      ...(statuses.length === 0 && !isPartly ? ['no control planes and no recovery points'] : []),
      ...(policies.length === 0 ? [] : ['', policyTable(policies, now)]),
      ...(problems.length === 0 ? [] : ['', ...problems]),
    ].join('\n'),
    exitCode: problems.length > 0 ? EXIT.refused : EXIT.done,
  };
}

/** Control planes with recovery points that their management clusters no longer have, with policies or without. */
async function describeMissing(
  { controlPlanes, served, failures }: Discovery,
  byControlPlane: ReadonlyMap<string, Points>,
  now: Date,
  { managementClusters, store }: StatusPorts,
): Promise<string[]> {
  const dismissals = await readDismissals(store);
  const existing = new Set(controlPlanes.map(({ controlPlane }) => controlPlane));
  const before = [...byControlPlane].flatMap(([controlPlane, points]) => {
    const [first] = points;
    const times = points.flatMap((point) => ('manifest' in point ? [Date.parse(point.manifest.takenAt)] : []));
    const lastSeenAt = new Date(Math.min(now.getTime(), Math.max(0, ...times))).toISOString();
    return first === undefined || isDismissed(dismissals, controlPlane, lastSeenAt)
      ? []
      : [{ controlPlane, platform: first.address.platform, lastSeenAt }];
  });
  const configured = new Set(managementClusters);
  const unreachable = new Set(failures.map(({ managementCluster }) => managementCluster));
  const found = {
    at: now.toISOString(),
    selected: existing,
    existing,
    served,
    asked: configured,
    unreachable,
    configured,
  };
  return describeAbsences(findAbsences(found, { controlPlanes: before, served: [], unserved: [], missing: [] }));
}

function describeRefused(point: CataloguedPoint | UnreadablePoint): string[] {
  const name = `${formatControlPlaneName(point.address.controlPlane)}/${point.address.id}`;
  if ('error' in point) return [`recovery point ${name} cannot be read: ${point.error.message}`];
  if (point.verdict !== 'refused') return [];
  const kind = point.manifest.reason === 'safety' ? 'safety point' : 'recovery point';
  const detail = point.proofs.findLast(({ result }) => result === 'refused')?.detail;
  return [`${kind} ${name} is refused, nobody can restore from it${detail === undefined ? '' : `: ${detail}`}`];
}

async function describeExpiries(ports: StatusPorts): Promise<string[]> {
  const credentials = await readCredentials(ports.managementClusters, ports);
  return credentials
    .filter(({ endAt }) => isNearExpiry(endAt, ports.clock()))
    .map(({ endAt, ...account }) => describeExpiry({ ...account, endAt: endAt.toISOString() }));
}

function describe(controlPlane: string, exists: boolean | null, points: Points, now: Date): ControlPlaneStatus {
  const backups = points.filter((point) => !('manifest' in point && point.manifest.reason === 'safety'));
  const verified = backups.filter((point) => 'manifest' in point && point.verdict === 'verified');
  const newest = newestVerified(points, now);
  return {
    controlPlane,
    exists,
    recoveryPoints: backups.length,
    notVerified: backups.length - verified.length,
    safetyPoints: points.length - backups.length,
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
    ['CONTROL PLANE', 'EXISTS', 'NEWEST VERIFIED', 'POINTS', 'NOT VERIFIED', 'SAFETY', 'ID'],
    statuses.map(({ controlPlane, exists, newestVerified: newest, recoveryPoints, notVerified, safetyPoints }) => [
      controlPlane,
      existence(exists),
      newest === null ? 'none' : `${formatAge(new Date(newest.takenAt), now)} ago`,
      String(recoveryPoints),
      String(notVerified),
      String(safetyPoints),
      newest?.id ?? '-',
    ]),
  );
}

function policyTable(policies: readonly PolicyStatus[], now: Date): string {
  return formatTable(
    ['POLICY', 'LAST RUN', 'RESULT', 'CONTROL PLANES', 'BEYOND OBJECTIVE'],
    policies.map(({ policy, readable, lastRun, controlPlanes, beyondObjective }) => [
      policy,
      !readable ? 'unreadable' : lastRun === null ? 'never' : `${formatAge(new Date(lastRun.finishedAt), now)} ago`,
      lastRun === null ? '-' : describeStatus(lastRun),
      String(controlPlanes),
      String(beyondObjective.length),
    ]),
  );
}
