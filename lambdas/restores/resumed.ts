import { GateError } from '../domain/errors.ts';
import type { DirectedRestore } from '../domain/restore.ts';
import type { ClusterRunPorts } from '../operations/ports.ts';
import {
  isFinishBegun,
  isPutBack,
  isServed,
  isStartBegun,
  isSwapBegun,
  isWayBackBegun,
  recordWayBack,
  waitingName,
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
  return !(await isSwapBegun(operation, { journal })) || (await isPutBack(operation, { journal }));
}

/** Whether a step starts nothing any more: what it starts was used already, or the control plane was left to its platform. */
export async function startsNothing(
  step: 'start-datastore' | 'start-control-plane',
  { operation, direction }: DirectedRestore,
  { journal }: RecordPorts,
): Promise<boolean> {
  if (direction === 'back') return await isFinishBegun(operation, { journal });
  return await (step === 'start-datastore' ? isStartBegun : isServed)(operation, { journal });
}
