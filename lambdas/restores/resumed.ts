import { GateError } from '../domain/errors.ts';
import type { Direction, DirectedRestore } from '../domain/restore.ts';
import { waitingName } from './converge.ts';
import { stepName, type RecordPorts } from './records.ts';

/**
 * How far a restore has come that may be one that goes on after its process or execution was ended. `fencing`: the data are
 * those of before. `stopping`: the datastores may be down. `swapping`: the data may be either. `serving`: the restored
 * control plane was up and compared. `taking-back`: the way back was begun, and the data may be either.
 */
export type Standing = 'fencing' | 'stopping' | 'swapping' | 'serving' | 'taking-back';

const WAY_BACK = ['fence-control-plane', 'stop-datastore', 'swap-data', 'start-datastore', 'start-control-plane'];

/**
 * Reads from the journal where a restore stands on its way forward. GateError when the data of before are in place again:
 * nothing is to be ended for a restore that was taken back.
 */
export async function standingOf({ operation }: DirectedRestore, { journal }: RecordPorts): Promise<Standing> {
  const isBegun = (step: string, direction: Direction) =>
    journal.has(operation, waitingName(stepName(step, direction)));
  const isDone = (step: string, direction: Direction) => journal.has(operation, `steps/${stepName(step, direction)}`);
  const [isSwapBegun, isStopBegun, isServing, isPutBack, isTidying, ...wayBack] = await Promise.all([
    isBegun('swap-data', 'forward'),
    isBegun('stop-datastore', 'forward'),
    isDone('start-control-plane', 'forward'),
    isDone('swap-data', 'back'),
    isBegun('finish-restore', 'back'),
    ...WAY_BACK.map((step) => isBegun(step, 'back')),
  ]);
  const isTakenBack = wayBack.includes(true);
  if (isPutBack || isTidying || (isTakenBack && !isSwapBegun)) {
    throw interruptedOnTheWayBack(operation, 'The data of before are in place.');
  }
  if (isTakenBack) return 'taking-back';
  if (isServing) return 'serving';
  if (isSwapBegun) return 'swapping';
  return isStopBegun ? 'stopping' : 'fencing';
}

/** What ends the way forward of a restore that was on its way back. */
export function interruptedOnTheWayBack(operation: string, now: string): GateError {
  return new GateError(`restore ${operation} was being taken back when it was interrupted`, {
    remedy: `${now} To restore, begin a new operation.`,
  });
}

/** Whether the restored control plane was up already: then a restore that is resumed ends nothing any more. */
export async function hasServed({ operation, direction }: DirectedRestore, { journal }: RecordPorts): Promise<boolean> {
  return direction === 'forward' && (await journal.has(operation, 'steps/start-control-plane'));
}
