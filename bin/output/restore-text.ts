import { formatBytes } from '../../lambdas/domain/format-bytes.ts';
import { describeDifference } from '../../lambdas/domain/keyspace-difference.ts';
import type { RestorePlan, RestoreResult } from '../../lambdas/domain/restore.ts';
import type { Abandonment } from '../../lambdas/restores/abandon.ts';
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
    ...describeHelpers(plan),
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

/** What sees all of the data. */
function describeHelpers({ helperImage, datastores }: RestorePlan): string[] {
  if (helperImage === undefined) return [];
  const users = datastores.map(({ datastore, helperUser }) => {
    const user = helperUser === undefined ? "the image's own user" : helperUser === 0 ? 'root' : `user ${helperUser}`;
    return `${user} on the volumes of ${datastore}`;
  });
  return [`helpers:   image ${helperImage}, as ${users.join(', as ')}`];
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

/** What stands still when a restore was left behind its fence, and what goes on with it. */
export function describeStopped({ operation, controlPlane, target }: RestorePlan): string {
  const stopped = [
    ...target.writers.map(({ kind, namespace, name }) => `${kind} ${namespace}/${name}`),
    ...target.datastores.map(({ namespace, statefulSet }) => `StatefulSet ${namespace}/${statefulSet}`),
  ];
  return [
    `restore ${operation} was left behind its fence: the API of ${controlPlane} is away, and ${stopped.join(', ')} may be stopped`,
    `next:  Go on within half an hour, while the platform is paused: lifeboat restore ${controlPlane} --resume ${operation}`,
    `       or roll it back: lifeboat abandon ${operation}`,
  ].join('\n');
}

/** What abandoning a restore does, as a person reads it before saying yes. */
export function describeAbandonment({ restore, way, breach, other }: Abandonment): string {
  const { operation, controlPlane, point, target } = restore.plan;
  const sentences = {
    back: 'the API servers and etcd are stopped, the old data are put back, and all is started again',
    start: 'the data were not exchanged; etcd and the API servers are started again where they were stopped',
    leave: 'data and replicas stay as they are',
  };
  const directories = target.datastores.map(({ mountPath }) => `${mountPath}/lifeboat-${operation}`).join(', ');
  return [
    `abandoning restore ${operation} of ${controlPlane} to ${point} closes it for ever:`,
    ...(breach === undefined || breach === other
      ? []
      : [`warning:   somebody may have written behind its fence: ${breach}`]),
    ...(other === undefined ? [] : [`warning:   ${other}`]),
    `data:      ${sentences[way]}`,
    `removed:   its ${other === undefined ? 'pods, staged files, pause and lock' : 'staged files and lock; nothing is changed in the management cluster'}`,
    ...(breach === undefined ? [] : [`kept:      what it put aside on the volumes (${directories})`]),
  ].join('\n');
}

/** What became of a restore. */
export function describeResult(result: RestoreResult): string {
  const { operation, controlPlane, point, outcome, failure, failureOnTheWayBack, safetyPoint, safetyVerdict, state } =
    result;
  const sentences = {
    restored: `${controlPlane} is restored to ${point}`,
    unfinished: `${controlPlane} is restored to ${point}, but something of the restore is left`,
    'not-begun': `failed, cleaned up: ${controlPlane} was not touched`,
    'rolled-back': `rolled back: ${controlPlane} is as it was before`,
    stuck: `Rollback failed: ${controlPlane} is neither restored nor as it was before; the lines above say how it stands`,
    abandoned: `the restore of ${controlPlane} to ${point} is abandoned; nothing more is done for it`,
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
    ...(failure === null || outcome === 'abandoned'
      ? []
      : [`failed at "${failure.step}": ${failure.reason} (${failure.error})`]),
    ...(failureOnTheWayBack === null ? [] : [`and while it was rolled back: ${failureOnTheWayBack.reason}`]),
    ...state,
    sentences[outcome],
    ...(safetyPoint === null || safetyVerdict !== 'verified' || outcome !== 'restored'
      ? []
      : [`to undo it: lifeboat restore ${controlPlane} --point ${safetyPoint}`]),
    `operation ${operation}`,
  ].join('\n');
}
