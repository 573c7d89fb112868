import {
  restoreResultSchema,
  stepTimesSchema,
  type DatastorePlan,
  type RestoreEnd,
  type RestorePlan,
  type RestoreResult,
} from '../domain/restore.ts';
import type { RunPorts } from '../operations/ports.ts';
import { readReason } from '../operations/reason.ts';
import {
  readApiBack,
  readFenced,
  readRestorePlan,
  readSafetyPoint,
  readStale,
  readWarnings,
  TIMED_STEPS,
  stepName,
} from './records.ts';

/** There and back; those that a restore has not taken are left out later. */
const STEPS = (['forward', 'back'] as const).flatMap((direction) =>
  TIMED_STEPS.map((step) => stepName(step, direction)),
);

/** Puts the result of a restore together and keeps it. Delivered twice, it gives what it recorded first. */
export async function reportRestore(end: RestoreEnd, ports: RunPorts): Promise<RestoreResult> {
  const { planSha256, ...ending } = end;
  const { operation, outcome, failure, failureOnTheWayBack } = ending;
  const plan = await readRestorePlan({ operation, planSha256 }, ports);
  const safety = await readSafetyPoint(operation, ports);
  const fenced = await readFenced(operation, ports);
  const back = await readApiBack(operation, ports);
  const phases = await Promise.all(
    STEPS.map(async (name) => {
      const times = await ports.journal.read(operation, `steps/${name}`, stepTimesSchema);
      if (times === undefined) return [];
      return [{ name, milliseconds: Date.parse(times.doneAt) - Date.parse(times.startedAt) }];
    }),
  );
  const result: RestoreResult = {
    ...ending,
    failure: failure === null ? null : { ...failure, reason: readReason(failure.reason) },
    failureOnTheWayBack:
      failureOnTheWayBack === null ? null : { ...failureOnTheWayBack, reason: readReason(failureOnTheWayBack.reason) },
    finishedAt: ports.clock().toISOString(),
    safetyPoint: safety?.id ?? null,
    apiAwayMilliseconds:
      fenced === undefined || back === undefined ? null : Math.max(0, back.getTime() - Date.parse(fenced.at)),
    phases: phases.flat(),
    stale: (await Promise.all(plan.datastores.map(({ datastore }) => readStale(operation, datastore, ports)))).flat(),
    warnings:
      outcome === 'restored' || outcome === 'unfinished'
        ? (await Promise.all(plan.datastores.map(({ datastore }) => readWarnings(operation, datastore, ports)))).flat()
        : plan.datastores.flatMap(describeFull),
    left:
      outcome === 'restored' || outcome === 'unfinished'
        ? describeLeft(plan, safety)
        : plan.lostIdentity.map(describeMade),
    state:
      outcome === 'stuck'
        ? describeState(plan, safety?.id ?? undefined, new Set(phases.flat().map(({ name }) => name)))
        : [],
  };
  return await ports.journal.record(operation, 'result', restoreResultSchema, result);
}

function describeFull({ datastore, isLiveFull }: DatastorePlan): string[] {
  return isLiveFull === true
    ? [
        `datastore ${datastore} takes no writes, as before the restore: the NOSPACE alarm is raised. Compact and defragment it or raise its quota, then disarm the alarm`,
      ]
    : [];
}

function describeMade(object: string): string {
  return `${object} was gone and may have been made again: it is left`;
}

/** What lay on the volumes before, where no safety recovery point holds it. */
function describeLeft(
  { operation, target }: RestorePlan,
  safety: Awaited<ReturnType<typeof readSafetyPoint>>,
): string[] {
  if (safety?.id !== null) return [];
  return target.datastores.flatMap(({ mountPath, members }) => {
    const claims = members.filter(({ lostClaim }) => lostClaim === null).map(({ claim }) => claim);
    const previous = `${mountPath}/lifeboat-${operation}/previous`;
    return claims.length === 0
      ? []
      : [
          `no safety recovery point could be taken (${safety.reason ?? ''}): what lay on ${claims.join(', ')} before is still there, in ${previous}; remove the directory when nobody wants it any more`,
        ];
  });
}

/** Where everything stands when the way back has failed as well, and how a person goes on from there. */
function describeState(
  { operation, target, datastores }: RestorePlan,
  safetyPoint: string | undefined,
  done: ReadonlySet<string>,
): string[] {
  const swapped = done.has('swap-data')
    ? 'in place of the old data'
    : 'on some volumes perhaps in place of the old data';
  const putBack = done.has('swap-data-back') ? 'the old data are back in place' : `the restored data are ${swapped}`;
  return [
    ...target.datastores.map(
      ({ namespace, statefulSet, replicas, mountPath, dataDirectory, members }) =>
        `StatefulSet ${namespace}/${statefulSet}: ${putBack}. On each volume (${members.map(({ claim }) => claim).join(', ')}) the data that etcd ` +
        `starts with are ${mountPath}/${dataDirectory}; what was there before lies in ${mountPath}/lifeboat-${operation}/previous. ` +
        `It had ${replicas} replicas, and its data want ${members.length}.`,
    ),
    ...target.writers.map(
      ({ kind, namespace, name, foundReplicas }) => `${kind} ${namespace}/${name} had ${foundReplicas} replicas.`,
    ),
    `The platform's reconcilers are paused for at most half an hour; pausedUntil was ${target.pausedUntil ?? 'not set'}.`,
    safetyPoint === undefined
      ? `No safety recovery point was taken; datastores ${datastores.map(({ datastore }) => datastore).join(', ')} are only on their volumes.`
      : `Recovery point ${safetyPoint} holds the state before the restore.`,
  ];
}
