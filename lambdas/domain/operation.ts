import * as z from 'zod';
import { recoveryPointId } from './recovery-point.ts';

/** What somebody who is refused is told of the operation that is at work. */
const DOINGS = { backup: 'backs up', restore: 'restores', prune: 'deletes recovery points of' } as const;

const DATASTORES = 'datastores/';

/** What an operation asks for before it works on a control plane. */
export const lockRequestSchema = z.object({
  operation: z.string(),
  controlPlane: z.string(),
  purpose: z.enum(['backup', 'restore', 'prune']),
});
export type LockRequest = z.infer<typeof lockRequestSchema>;

export const lockedSchema = z.object({ token: z.int().positive() });

/** A control plane whose lock an operation has. */
export const heldSchema = z.object({ controlPlane: z.string(), lock: lockedSchema });
export type Held = z.infer<typeof heldSchema>;

export const releasedSchema = z.null();

/** The lock that operations on a control plane take. */
export function controlPlaneLock(controlPlane: string): string {
  return `control-planes/${controlPlane}`;
}

/**
 * The lock of a datastore that several control planes share, by the name `<management cluster>/<namespace>/<name>` of what it runs
 * in. A control plane's own datastore has none: that of its control plane is its.
 */
export function datastoreLock(datastore: string): string {
  return `${DATASTORES}${datastore}`;
}

/** What a lock is on, for people. */
export function subjectOfLock(lock: string): string {
  const subject = lock.slice(lock.indexOf('/') + 1);
  return lock.startsWith(DATASTORES) ? `the datastore ${subject}` : subject;
}

/** The lock of the one process that works on an operation; an execution in AWS takes none, its steps follow each other. */
export function operationLock(operation: string): string {
  return `operations/${operation}`;
}

/**
 * A name for an operation that a person starts: what it does, when, and four random characters. An owner that takes its lock
 * twice gets it twice, so two operations of one second need two names.
 */
export function operationName(
  purpose: LockRequest['purpose'] | 'stage',
  startedAt: Date,
  random: () => number,
): string {
  return `${purpose}-${recoveryPointId(startedAt, random).toLowerCase()}`;
}

/** One phrase on an operation, for whoever is refused because of it; `restoredBy` reads it. */
export function purposeOf({ purpose, controlPlane }: LockRequest): string {
  return `${DOINGS[purpose]} ${controlPlane}`;
}

/** The control plane that an operation with this phrase restores; undefined when it does something else. */
export function restoredBy(purpose: string): string | undefined {
  const before = `${DOINGS.restore} `;
  return purpose.startsWith(before) ? purpose.slice(before.length) : undefined;
}
