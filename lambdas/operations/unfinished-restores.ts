import * as z from 'zod';
import { controlPlaneLock, operationLock } from '../domain/operation.ts';
import { Journal } from '../store/journal.ts';
import type { RunPorts } from './ports.ts';

/** Until this stands in the journal a restore has touched nothing, e.g. because another one has the lock. */
export const FIRST_TOUCH = 'steps/prepare-data-waiting';

/** A plan as far as it is read here, whichever version of Lifeboat has written it. */
const plannedSchema = z.looseObject({ controlPlane: z.string() });

/** A restore that was begun, has not ended, and nobody works on. */
export interface UnfinishedRestore {
  readonly operation: string;
  readonly controlPlane: string;
  readonly begunAt: Date;
  /** It is only to be brought to its end. */
  readonly isAbandoned: boolean;
}

/** Those of the store, in order of names: their control planes may be without an API, and stay paused for a while. */
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
    const plan = await journal.read(operation, 'plan', plannedSchema);
    if (plan === undefined) continue;
    const { controlPlane } = plan;
    if (!(await isAtWork(operation, controlPlane, locks)))
      found.push({ operation, controlPlane, begunAt, isAbandoned: documents.has('abandoned') });
  }
  return found;
}

/** A process shows by its own lease whether it works; an execution in AWS has none, and is taken to while the control plane's stands. */
async function isAtWork(operation: string, controlPlane: string, locks: RunPorts['locks']): Promise<boolean> {
  if (await locks.wasEverTaken(operationLock(operation))) {
    return (await locks.readHeld(operationLock(operation))) !== undefined;
  }
  return (await locks.readHeld(controlPlaneLock(controlPlane)))?.owner === operation;
}

/** What it is and what to do, for people. */
export function describeUnfinished({ operation, controlPlane, begunAt, isAbandoned }: UnfinishedRestore): string {
  const resume = isAbandoned ? '' : `lifeboat restore ${controlPlane} --resume ${operation}, or `;
  return `restore ${operation} of ${controlPlane} was begun at ${begunAt.toISOString()} and has not ended: ${resume}lifeboat abandon ${operation}`;
}
