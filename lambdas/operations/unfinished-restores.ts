import * as z from 'zod';
import { controlPlaneLock, operationLock } from '../domain/operation.ts';
import { CorruptSnapshotError } from '../domain/errors.ts';
import { Journal } from '../store/journal.ts';
import type { RunPorts } from './ports.ts';

/** Until this stands in the journal a restore has touched nothing, e.g. because another one has the lock. */
export const FIRST_TOUCH = 'steps/prepare-data-waiting';

/** A plan as far as it is read here, whichever version of Lifeboat has written it. */
const plannedSchema = z.looseObject({ controlPlane: z.string() });

/** A restore that was begun, has not ended, and nobody works on. */
export interface UnfinishedRestore {
  readonly operation: string;
  /** null when its plan cannot be read. */
  readonly controlPlane: string | null;
  readonly begunAt: Date;
  /** It is only to be brought to its end. */
  readonly isAbandoned: boolean;
}

/**
 * Those of the store, in order of names: their control planes may be without an API, and stay paused for a while. A plan that
 * cannot be read hides no other.
 */
export async function unfinishedRestores({
  store,
  locks,
}: Pick<RunPorts, 'store' | 'locks'>): Promise<UnfinishedRestore[]> {
  const journal = new Journal(store, 'restore');
  const found: UnfinishedRestore[] = [];
  for (const operation of await journal.operations()) {
    const documents = new Map((await journal.documents(operation)).map(({ name, writtenAt }) => [name, writtenAt]));
    const begunAt = documents.get(FIRST_TOUCH);
    if (begunAt === undefined || documents.has('result')) continue;
    const controlPlane = await readControlPlane(operation, journal);
    if (controlPlane === undefined) continue;
    if (!(await isAtWork(operation, controlPlane, locks)))
      found.push({ operation, controlPlane, begunAt, isAbandoned: documents.has('abandoned') });
  }
  return found;
}

/** undefined where there is no plan, null where it cannot be read. */
async function readControlPlane(operation: string, journal: Journal): Promise<string | null | undefined> {
  try {
    return (await journal.read(operation, 'plan', plannedSchema))?.controlPlane;
  } catch (error) {
    if (!(error instanceof CorruptSnapshotError)) throw error;
    return null;
  }
}

/** A process shows by its own lease whether it works; an execution in AWS has none, and is taken to while the control plane's stands. */
async function isAtWork(operation: string, controlPlane: string | null, locks: RunPorts['locks']): Promise<boolean> {
  if (await locks.wasEverTaken(operationLock(operation))) {
    return (await locks.readHeld(operationLock(operation))) !== undefined;
  }
  if (controlPlane === null) return false;
  return (await locks.readHeld(controlPlaneLock(controlPlane)))?.owner === operation;
}

/** What it is and what to do, for people. */
export function describeUnfinished({ operation, controlPlane, begunAt, isAbandoned }: UnfinishedRestore): string {
  if (controlPlane === null) {
    return `restore ${operation} was begun at ${begunAt.toISOString()} and has not ended, and its plan cannot be read`;
  }
  const resume = isAbandoned ? '' : `lifeboat restore ${controlPlane} --resume ${operation}, or `;
  return `restore ${operation} of ${controlPlane} was begun at ${begunAt.toISOString()} and has not ended: ${resume}lifeboat abandon ${operation}`;
}
