import { formatBytes } from '../../lambdas/domain/format-bytes.ts';
import { describeDifference } from '../../lambdas/domain/keyspace-difference.ts';
import type { RestorePlan, RestoreResult } from '../../lambdas/domain/restore.ts';
import { formatAge, formatDuration, formatTable } from './format.ts';

/** A plan as a person reads it before saying yes. */
export function describePlan(plan: RestorePlan, now: Date): string {
  const { controlPlane, point, pointTakenAt, target, datastores, apiAwaySeconds, warnings } = plan;
  const installed = target.datastores.map(
    ({ namespace, statefulSet, members }) =>
      `StatefulSet ${namespace}/${statefulSet} (${members.length === 1 ? '1 member' : `${members.length} members`})`,
  );
  return [
    `restore of ${controlPlane} from recovery point ${point}, taken ${formatAge(new Date(pointTakenAt), now)} ago (${pointTakenAt})`,
    '',
    ...datastores.flatMap(({ datastore, difference, outages }) => [
      `datastore ${datastore}:`,
      ...outages.map((outage) => `  out of service: ${outage}`),
      ...describeDifference(difference).map((line) => `  ${line}`),
      '',
    ]),
    ...describeRebuilt(plan),
    `paused:    the reconcilers of ${controlPlane} (pausedUntil is ${target.pausedUntil ?? 'not set'} now)`,
    `stopped:   ${[...target.writers.map(({ kind, namespace, name }) => `${kind} ${namespace}/${name}`), ...installed].join(', ')}`,
    `replaced:  the data on ${target.datastores.flatMap(({ members }) => members.map(({ claim }) => claim)).join(', ')}`,
    ...datastores.map(
      ({ datastore, sizeBytes, bump, bumpReason }) =>
        `revision:  ${datastore} (${formatBytes(sizeBytes)}) goes up by ${bump}: ${bumpReason}`,
    ),
    `API away:  about ${apiAwaySeconds} s; workers and their pods go on meanwhile`,
    ...describeUndo(plan),
    ...warnings.map((warning) => `warning:   ${warning}`),
  ].join('\n');
}

/** What is gone and will be made again before anything else. */
function describeRebuilt({ lostIdentity, target }: RestorePlan): string[] {
  const claims = target.datastores.flatMap(({ namespace, members }) =>
    members.flatMap(({ claim, lostClaim }) =>
      lostClaim === null ? [] : [`PersistentVolumeClaim ${namespace}/${claim} (empty)`],
    ),
  );
  const made = [...lostIdentity, ...claims];
  return made.length === 0 ? [] : [`made anew: ${made.join(', ')}`];
}

function describeUndo({ operation, target, datastores }: RestorePlan): string[] {
  if (datastores.every(({ outages }) => outages.length === 0)) {
    return ['undo:      a safety recovery point is taken first, and any failure puts everything back as it is now'];
  }
  const places = target.datastores.flatMap(({ mountPath, members }) =>
    members
      .filter(({ lostClaim }) => lostClaim === null)
      .map(({ claim }) => `${claim}: ${mountPath}/lifeboat-${operation}`),
  );
  return [
    'undo:      a safety recovery point is taken only if a member can still give one; any failure puts everything back as broken as it is now',
    ...(places.length === 0
      ? []
      : [`kept:      if none can be taken, what lies on the volumes stays there (${places.join(', ')})`]),
  ];
}

/** What became of a restore. */
export function describeResult(result: RestoreResult): string {
  const { operation, controlPlane, point, outcome, failure, failureOnTheWayBack, safetyPoint, state } = result;
  const sentences = {
    restored: `${controlPlane} is restored to ${point}`,
    unfinished: `${controlPlane} is restored to ${point}, but something of the restore is left`,
    'not-begun': `${controlPlane} was not touched`,
    'rolled-back': `${controlPlane} is as it was before`,
    stuck: `${controlPlane} needs you: the restore failed, and so did the way back`,
  };
  return [
    formatTable(
      ['PHASE', 'TIME'],
      result.phases.map(({ name, milliseconds }) => [name, formatDuration(milliseconds)]),
    ),
    ...(result.apiAwayMilliseconds === null ? [] : [`API away for ${formatDuration(result.apiAwayMilliseconds)}`]),
    ...result.stale,
    ...result.left,
    ...result.warnings.map((warning) => `warning: ${warning}`),
    ...(failure === null ? [] : [`failed at "${failure.step}": ${failure.reason} (${failure.error})`]),
    ...(failureOnTheWayBack === null ? [] : [`and on the way back: ${failureOnTheWayBack.reason}`]),
    ...state,
    sentences[outcome],
    ...(safetyPoint === null || outcome !== 'restored'
      ? []
      : [`to undo it: lifeboat restore ${controlPlane} --point ${safetyPoint}`]),
    `operation ${operation}`,
  ].join('\n');
}
