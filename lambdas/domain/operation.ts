import * as z from 'zod';
import { recoveryPointId } from './recovery-point.ts';

/** What somebody who is refused is told of the operation that is at work. */
const DOINGS = { backup: 'backs up', restore: 'restores', prune: 'deletes recovery points of' } as const;

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

/** One phrase on an operation, for whoever is refused because of it. */
export function purposeOf({ purpose, controlPlane }: LockRequest): string {
  return `${DOINGS[purpose]} ${controlPlane}`;
}
