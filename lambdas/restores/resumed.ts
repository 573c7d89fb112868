import { GateError } from '../domain/errors.ts';
import type { Direction, DirectedRestore } from '../domain/restore.ts';
import { isPutBack, isServed, isSwapBegun, stepName, waitingName, type RecordPorts } from './records.ts';

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
  const [swapBegun, stopBegun, served, putBack, tidying, ...wayBack] = await Promise.all([
    isSwapBegun(operation, { journal }),
    isBegun('stop-datastore', 'forward'),
    isServed(operation, { journal }),
    isPutBack(operation, { journal }),
    isBegun('finish-restore', 'back'),
    ...WAY_BACK.map((step) => isBegun(step, 'back')),
  ]);
  const takenBack = wayBack.includes(true);
  if (putBack || tidying || (takenBack && !swapBegun)) {
    throw interruptedOnTheWayBack(operation, 'The data of before are in place.');
  }
  if (takenBack) return 'taking-back';
  if (served) return 'serving';
  if (swapBegun) return 'swapping';
  return stopBegun ? 'stopping' : 'fencing';
}

/** What ends the way forward of a restore that was on its way back. */
export function interruptedOnTheWayBack(operation: string, now: string): GateError {
  return new GateError(`restore ${operation} was being rolled back when it was interrupted`, {
    remedy: `${now} To restore, begin a new operation.`,
  });
}

/** Whether the restored control plane was up already: then a restore that is resumed ends nothing any more. */
export async function hasServed({ operation, direction }: DirectedRestore, { journal }: RecordPorts): Promise<boolean> {
  return direction === 'forward' && (await isServed(operation, { journal }));
}
