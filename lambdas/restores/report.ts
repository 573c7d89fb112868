import { TIMED } from '../../statemachines/restore-control-plane/steps.ts';
import { readPauseSet } from '../control-planes/pause.ts';
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
import { whyKept } from './kept.ts';
import {
  isAbandoned,
  isPutBack,
  isServed,
  isSwapBegun,
  readApiBack,
  readBreach,
  readCrashed,
  readFenced,
  readRestorePlan,
  readSafetyPoint,
  readStale,
  readWarnings,
  doneName,
  stepName,
  waitingName,
} from './records.ts';
import { strategyWords, type Exchange } from './strategies/words.ts';

/** There and back; those that a restore has not taken are left out later. */
const STEPS = (['forward', 'back'] as const).flatMap((direction) => TIMED.map((step) => stepName(step, direction)));

/** Between two steps of one run there is less. */
const IDLE_MILLISECONDS = 30_000;

/** Puts the result of a restore together and keeps it. Delivered twice, it gives what it recorded first. */
export async function reportRestore(end: RestoreEnd, ports: RunPorts): Promise<RestoreResult> {
  const { planSha256, ...ending } = end;
  const { operation, outcome, failure, failureOnTheWayBack } = ending;
  const plan = await readRestorePlan({ operation, planSha256 }, ports);
  const safety = await readSafetyPoint(operation, ports);
  const fenced = await readFenced(operation, ports);
  const back = await readApiBack(operation, ports);
  const steps = await timesOfSteps(operation, ports);
  const isAtEnd = outcome === 'restored' || outcome === 'unfinished';
  const abandoned = outcome === 'rolled-back' && (await isAbandoned(operation, ports));
  const words = strategyWords[plan.strategy];
  const kept = await whyKept(operation, isAtEnd ? 'forward' : 'back', ports);
  const result: RestoreResult = {
    ...ending,
    outcome: abandoned ? 'abandoned' : outcome,
    failure: failure === null ? null : { ...failure, reason: readReason(failure.error, failure.reason) },
    failureOnTheWayBack:
      failureOnTheWayBack === null
        ? null
        : { ...failureOnTheWayBack, reason: readReason(failureOnTheWayBack.error, failureOnTheWayBack.reason) },
    finishedAt: ports.clock().toISOString(),
    safetyPoint: safety?.id ?? null,
    safetyVerdict: safety?.verdict ?? null,
    apiAwayMilliseconds:
      fenced === undefined || back === undefined ? null : Math.max(0, back.getTime() - Date.parse(fenced.at)),
    phases: phasesOf(steps),
    stale: (await Promise.all(plan.datastores.map(({ datastore }) => readStale(operation, datastore, ports)))).flat(),
    warnings: isAtEnd
      ? (await Promise.all(plan.datastores.map(({ datastore }) => readWarnings(operation, datastore, ports)))).flat()
      : plan.datastores.flatMap(describeFull),
    left: [
      ...(kept === undefined ? [] : words.kept(plan, kept, isAtEnd)),
      ...(isAtEnd ? [] : plan.lostIdentity.map(describeMade)),
      ...(await readCrashed(operation, ports)).map(describeCrashed),
    ],
    state: abandoned
      ? await describeAbandoned(plan, ports)
      : outcome === 'stuck'
        ? describeState(plan, safety?.id ?? undefined, {
            exchange: words.stuck(plan, await exchangeOf(steps, operation, ports)),
            paused: describePause(plan, await readPauseSet(operation, ports)),
          })
        : [],
  };
  // One that was begun before and may not go on just now has not ended: it can be resumed later.
  if (outcome === 'not-begun' && (await wasBegun(end, ports))) return result;
  return await ports.journal.record(operation, 'result', restoreResultSchema, result);
}

function describeFull({ datastore, isLiveFull }: DatastorePlan): string[] {
  return isLiveFull === true
    ? [
        `datastore ${datastore} takes no writes, as before the restore: the NOSPACE alarm is raised. Compact and defragment it or raise its quota, then disarm the alarm`,
      ]
    : [];
}

/** Whether an earlier run has begun what this one was not let in to; when it fails to prepare it has tidied up. */
async function wasBegun({ operation, failure }: RestoreEnd, { journal }: RunPorts): Promise<boolean> {
  const step = failure?.step === 'Mark the control plane' ? 'prepare-data' : 'fence-control-plane';
  return await journal.has(operation, waitingName(step));
}

function describeMade(object: string): string {
  return `${object} was gone and may have been made again: it is left`;
}

function describeCrashed(pod: string): string {
  return `pod ${pod} still crashes: read its logs`;
}

interface StepTimes {
  readonly name: string;
  readonly startedAt: number;
  readonly doneAt: number;
}

/** The steps that were done, in the order in which they were begun. */
async function timesOfSteps(operation: string, { journal }: RunPorts): Promise<StepTimes[]> {
  const steps = await Promise.all(
    STEPS.map(async (name) => {
      const times = await journal.read(operation, doneName(name), stepTimesSchema);
      if (times === undefined) return [];
      return [{ name, startedAt: Date.parse(times.startedAt), doneAt: Date.parse(times.doneAt) }];
    }),
  );
  return steps.flat().sort((a, b) => a.startedAt - b.startedAt);
}

/** How far the exchange of the data has come. */
async function exchangeOf(steps: readonly StepTimes[], operation: string, ports: RunPorts): Promise<Exchange> {
  const isDone = (step: string) => steps.some(({ name }) => name === step);
  if (!(await isSwapBegun(operation, ports))) return 'not-begun';
  if (isDone('swap-data-back')) return 'put-back';
  return isDone('swap-data') ? 'done' : 'begun';
}

/** How long each step took, and how long nobody worked on the restore between two of them, so that all together is all the time. */
function phasesOf(steps: readonly StepTimes[]): RestoreResult['phases'] {
  return steps.flatMap(({ name, startedAt, doneAt }, index) => {
    const idle = startedAt - (steps[index - 1]?.doneAt ?? startedAt);
    const pause = idle < IDLE_MILLISECONDS ? [] : [{ name: 'nobody at work', milliseconds: idle }];
    return [...pause, { name, milliseconds: doneAt - startedAt }];
  });
}

/** How a restore that was abandoned has left the control plane. */
async function describeAbandoned(plan: RestorePlan, ports: RunPorts): Promise<string[]> {
  const { operation, controlPlane, point } = plan;
  if (await isPutBack(operation, ports)) return [`the data of before are back in place`];
  if (await isServed(operation, ports)) return [`${controlPlane} keeps the data of ${point}: they served already`];
  if (!(await isSwapBegun(operation, ports))) {
    const breach = await readBreach(operation, ports);
    return [`the data of ${controlPlane} were never exchanged`, ...(breach === undefined ? [] : [breach.reason])];
  }
  return [
    ...strategyWords[plan.strategy].leftInExchange(plan),
    'Replicas were left alone as well. See that the control plane runs, or restore a recovery point.',
  ];
}

/** Who pauses the platform's reconcilers now, and until when. */
function describePause({ target }: RestorePlan, ours: string | undefined): string {
  const before = target.pausedUntil === null ? 'were not paused before' : `were paused before (${target.pausedUntil})`;
  return ours === undefined
    ? `The restore has not paused the platform's reconcilers; they ${before}.`
    : `The platform's reconcilers are paused until ${ours}; they ${before}.`;
}

/** Where everything stands when the way back has failed as well, and how a person goes on from there. */
function describeState(
  plan: RestorePlan,
  safetyPoint: string | undefined,
  { exchange, paused }: { readonly exchange: string[]; readonly paused: string },
): string[] {
  const { target, datastores } = plan;
  return [
    ...exchange,
    ...target.writers.map(
      ({ kind, namespace, name, foundReplicas }) => `${kind} ${namespace}/${name} had ${foundReplicas} replicas.`,
    ),
    paused,
    safetyPoint === undefined
      ? `No safety recovery point was taken; datastores ${datastores.map(({ datastore }) => datastore).join(', ')} are only on their volumes.`
      : `Recovery point ${safetyPoint} holds the state before the restore.`,
  ];
}
