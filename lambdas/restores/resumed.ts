import { LIMITED, type RestoreStep } from '../../statemachines/restore-control-plane/steps.ts';
import { GateError } from '../domain/errors.ts';
import type { DirectedRestore } from '../domain/restore.ts';
import type { ClusterRunPorts } from '../operations/ports.ts';
import {
  isOldServed,
  isOldStarted,
  isPutBack,
  isServed,
  isStartBegun,
  isSwapBegun,
  isWayBackBegun,
  readAbandonedWay,
  recordWayBack,
  stepName,
  waitingName,
  waitingSchema,
  type RecordPorts,
} from './records.ts';

/**
 * How far a restore has come that may be one that goes on after its process or execution was ended. `fencing`: the data are
 * those of before. `stopping`: the datastores may be down. `swapping`: the data may be either.
 */
export type Standing = 'fencing' | 'stopping' | 'swapping';

/** Reads from the journal where a restore stands on its way forward. Errors as of {@link refuseTakenBack}. */
export async function standingOf(item: DirectedRestore, { journal }: RecordPorts): Promise<Standing> {
  const { operation } = item;
  const [swapBegun, stopBegun] = await Promise.all([
    isSwapBegun(operation, { journal }),
    journal.has(operation, waitingName('stop-datastore')),
    refuseTakenBack(item, { journal }),
  ]);
  if (swapBegun) return 'swapping';
  return stopBegun ? 'stopping' : 'fencing';
}

/** GateError for the way forward of a restore that is being taken back. */
export async function refuseTakenBack({ operation, direction }: DirectedRestore, ports: RecordPorts): Promise<void> {
  if (direction === 'back' || !(await isWayBackBegun(operation, ports))) return;
  throw new GateError(`restore ${operation} was being rolled back when it was interrupted`, {
    remedy: 'It goes on being rolled back. To restore, begin a new operation.',
  });
}

/**
 * Gives what refuses with GateError once the step after this one was called since: a delivery that hung meanwhile comes too late.
 * That an earlier run had called it says nothing.
 */
export async function refuserOfOvertaken(
  { operation, direction, step }: DirectedRestore & { readonly step: RestoreStep },
  { journal }: RecordPorts,
): Promise<() => Promise<void>> {
  const next = LIMITED[LIMITED.indexOf(step) + 1];
  if (next === undefined || !LIMITED.includes(step)) return () => Promise.resolve();
  const lastCall = () => journal.read(operation, waitingName(stepName(next, direction)), waitingSchema);
  const before = (await lastCall())?.lastAt;
  return async () => {
    if ((await lastCall())?.lastAt === before) return;
    throw new GateError(`${step} of restore ${operation} comes too late: ${next} was begun meanwhile`, {
      remedy: 'Nothing is to be done: another delivery of it has done its work.',
    });
  };
}

/**
 * Whether a step ends and exchanges nothing any more: forward, the restored control plane was told to start, and somebody may use it;
 * back, the data of before are in place, because they were never exchanged or have been put back. Back, that is asked only after
 * the way forward is closed: the exchange could begin between question and answer.
 */
export async function endsNothing(
  { operation, direction }: DirectedRestore,
  { journal, clock }: Pick<ClusterRunPorts, 'journal' | 'clock'>,
): Promise<boolean> {
  if (direction === 'forward') return await isStartBegun(operation, { journal });
  await recordWayBack(operation, clock(), { journal });
  // What an abandonment leaves is never replaced, whoever delivers a step of a way back that was not its own.
  const way = await readAbandonedWay(operation, { journal });
  if (way === 'start' || way === 'leave') return true;
  return !(await isSwapBegun(operation, { journal })) || (await isPutBack(operation, { journal }));
}

/** Whether a step starts nothing any more: what it starts was used already, or is left as it is. */
export async function startsNothing(
  step: 'start-datastore' | 'start-control-plane',
  { operation, direction }: DirectedRestore,
  { journal }: RecordPorts,
): Promise<boolean> {
  if (direction === 'back') {
    const isDone = step === 'start-datastore' ? isOldStarted : isOldServed;
    return (await isDone(operation, { journal })) || (await readAbandonedWay(operation, { journal })) === 'leave';
  }
  return await (step === 'start-datastore' ? isStartBegun : isServed)(operation, { journal });
}
