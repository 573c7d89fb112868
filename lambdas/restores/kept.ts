import type { Direction, SafetyPoint } from '../domain/restore.ts';
import {
  isAbandoned,
  isPutBack,
  isServed,
  isStartBegun,
  isSwapBegun,
  readBreach,
  readSafetyPoint,
  type RecordPorts,
} from './records.ts';

/**
 * Why what a restore has put aside on the volumes must stay there when it ends; undefined when it may go. From the journal alone,
 * so that the step that clears and the report say the same.
 */
export async function whyKept(
  operation: string,
  direction: Direction,
  ports: RecordPorts,
): Promise<string | undefined> {
  const abandoned = await isAbandoned(operation, ports);
  const putBack = await isPutBack(operation, ports);
  if (direction === 'forward' || (abandoned && !putBack && (await isServed(operation, ports)))) {
    return whyOnlyCopy(await readSafetyPoint(operation, ports));
  }
  if (!(await isSwapBegun(operation, ports))) return undefined;
  const breach = await readBreach(operation, ports);
  if (breach !== undefined) return `somebody may have written meanwhile: ${breach.reason}`;
  if (!putBack) return 'the data of before were not put back';
  return (await isStartBegun(operation, ports)) ? 'the restored API may have taken writes' : undefined;
}

/** Why the replaced data are the only copy of what was before; undefined when a verified recovery point holds it. */
function whyOnlyCopy(safety: SafetyPoint | undefined): string | undefined {
  if (safety?.verdict === 'verified' && safety.isComplete) return undefined;
  if (safety?.id == null) return `no safety recovery point could be taken (${safety?.reason ?? 'not tried'})`;
  if (safety.verdict === 'verified') {
    return `safety recovery point ${safety.id} was taken of members without a leader and may lack the last writes`;
  }
  return `safety recovery point ${safety.id} is ${safety.verdict === 'refused' ? 'refused' : 'not verified'}`;
}
