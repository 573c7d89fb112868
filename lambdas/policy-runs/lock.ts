import type * as z from 'zod';
import { controlPlaneLock, type lockedItemSchema, type lockedSchema, type RunItem } from '../domain/policy-run.ts';
import type { RunPorts } from './ports.ts';

/** Longer than any step may take (a function ends after 15 minutes); each step extends it when it begins. */
export const LEASE_MILLISECONDS = 20 * 60 * 1000;

type LockedItem = z.infer<typeof lockedItemSchema>;

/** Takes the control plane's lock for this run. LockedError names the operation that is at work on it. */
export async function lockControlPlane(
  { controlPlane, runId }: RunItem,
  { locks }: RunPorts,
): Promise<z.infer<typeof lockedSchema>> {
  const purpose = `backs up ${controlPlane}`;
  const { token } = await locks.acquire(controlPlaneLock(controlPlane), runId, purpose, LEASE_MILLISECONDS);
  return { token };
}

/** Gives the lock back; no error when it is no longer this run's. */
export async function releaseControlPlane({ controlPlane, lock }: LockedItem, { locks }: RunPorts): Promise<null> {
  await locks.release({ name: controlPlaneLock(controlPlane), ...lock });
  return null;
}

/** Extends the lock, or throws LockedError when this run has lost it. */
export async function keepLock({ controlPlane, lock }: LockedItem, { locks }: RunPorts): Promise<void> {
  await locks.extend({ name: controlPlaneLock(controlPlane), ...lock }, LEASE_MILLISECONDS);
}
