import type * as z from 'zod';
import { controlPlaneLock, purposeOf, type Held, type lockedSchema, type LockRequest } from '../domain/operation.ts';
import type { Locks } from '../store/locks.ts';

/** Longer than any step may take (a function ends after 15 minutes); each step extends it when it begins. */
export const LEASE_MILLISECONDS = 20 * 60 * 1000;

interface LockPorts {
  readonly locks: Locks;
}

/** Takes the control plane's lock for an operation. LockedError names the operation that is at work on it. */
export async function lockControlPlane(
  request: LockRequest,
  { locks }: LockPorts,
): Promise<z.infer<typeof lockedSchema>> {
  const { controlPlane, operation } = request;
  const name = controlPlaneLock(controlPlane);
  const { token } = await locks.acquire(name, operation, purposeOf(request), LEASE_MILLISECONDS);
  return { token };
}

/** Gives the lock back; no error when it is no longer this operation's. */
export async function releaseControlPlane({ controlPlane, lock }: Held, { locks }: LockPorts): Promise<null> {
  await locks.release({ name: controlPlaneLock(controlPlane), ...lock });
  return null;
}

/** Extends the lock, or throws LockedError when the operation has lost it. */
export async function keepLock({ controlPlane, lock }: Held, { locks }: LockPorts): Promise<void> {
  await locks.extend({ name: controlPlaneLock(controlPlane), ...lock }, LEASE_MILLISECONDS);
}
