import { setTimeout as delay } from 'node:timers/promises';
import type * as z from 'zod';
import { LifeboatError, LockedError } from '../domain/errors.ts';
import {
  controlPlaneLock,
  operationLock,
  purposeOf,
  type Held,
  type lockedSchema,
  type LockRequest,
} from '../domain/operation.ts';
import type { ReportProgress } from '../domain/progress.ts';
import { awaitAnswer } from '../domain/silence.ts';
import type { Lock, Locks } from '../store/locks.ts';

/** Longer than any step may take (a function ends after 15 minutes); each step extends it when it begins. */
const LEASE_MILLISECONDS = 20 * 60 * 1000;

/** Of one process that extends it while it works: soon free when that process dies. */
const ATTENDED_LEASE_MILLISECONDS = 2 * 60 * 1000;
const EXTENSIONS_A_LEASE = 4;

/** Shorter: whoever resumes what a process left behind that was killed waits for it. */
const WORKER_LEASE_MILLISECONDS = 15 * 1000;
const LOOKS_A_LEASE = 15;

interface LockPorts {
  readonly locks: Locks;
}

/** Takes the control plane's lock for an operation. LockedError names the operation that is at work on it. */
export async function lockControlPlane(
  request: LockRequest,
  { locks }: LockPorts,
): Promise<z.infer<typeof lockedSchema>> {
  const { token } = await acquire(leaseOn(request, LEASE_MILLISECONDS), locks);
  return { token };
}

/** Gives the lock back; no error when it is no longer this operation's. */
export async function releaseControlPlane({ controlPlane, lock }: Held, { locks }: LockPorts): Promise<null> {
  await locks.release({ name: controlPlaneLock(controlPlane), ...lock });
  return null;
}

/**
 * Extends the lock, or throws LockedError when the operation has lost it. Says whether it had expired: the operation was away for
 * longer than any step takes.
 */
export async function keepLock({ controlPlane, lock }: Held, { locks }: LockPorts): Promise<{ hadExpired: boolean }> {
  return await locks.extend({ name: controlPlaneLock(controlPlane), ...lock }, LEASE_MILLISECONDS);
}

/** LockedError when the operation has lost the lock; nothing is written. */
export async function checkLock({ controlPlane, lock }: Held, { locks }: LockPorts): Promise<void> {
  await locks.check({ name: controlPlaneLock(controlPlane), ...lock });
}

export interface AttendedLockPorts extends LockPorts {
  readonly report: ReportProgress;
  readonly signal: AbortSignal;
}

/** A lock that is extended all the time that its owner works. */
export interface AttendedLock {
  /** Aborted with the caller's signal, and with LockedError when the lock is lost. */
  readonly signal: AbortSignal;
  /** Extends it at once, or throws LockedError when it is lost. */
  readonly keepLock: () => Promise<void>;
}

/**
 * Works under the control plane's lock in one process, and gives it back whatever happens. LockedError names the operation
 * that is at work on it, before anything is done. That the lock can't be given back fails nothing: it is free soon by itself.
 */
export async function withControlPlaneLock<T>(
  request: LockRequest,
  ports: AttendedLockPorts,
  work: (lock: AttendedLock) => Promise<T>,
  leaseMilliseconds: number = ATTENDED_LEASE_MILLISECONDS,
): Promise<T> {
  const lease = leaseOn(request, leaseMilliseconds);
  return await whileKept(await acquire(lease, ports.locks), lease, ports, work);
}

/**
 * Works on an operation as the only process that does; `worker` is a name that no other process ever has. One that was killed
 * is waited for until its lease is over; LockedError as soon as another one shows that it is alive.
 */
export async function withOperationLock<T>(
  { operation, worker }: { readonly operation: string; readonly worker: string },
  ports: AttendedLockPorts,
  work: (lock: AttendedLock) => Promise<T>,
  leaseMilliseconds: number = WORKER_LEASE_MILLISECONDS,
): Promise<T> {
  const lease = { name: operationLock(operation), owner: worker, purpose: 'works on it', leaseMilliseconds };
  const lock = await awaitAnswer(`the process that works on ${operation}`, () => acquireFromDead(lease, ports));
  return await whileKept(lock, lease, ports, work);
}

async function whileKept<T>(
  lock: Lock,
  { leaseMilliseconds }: LeaseRequest,
  { locks, report, signal }: AttendedLockPorts,
  work: (lock: AttendedLock) => Promise<T>,
): Promise<T> {
  const keep = async () => {
    await locks.extend(lock, leaseMilliseconds);
  };
  const lost = new AbortController();
  const ended = new AbortController();
  const attending = attend(keep, leaseMilliseconds / EXTENSIONS_A_LEASE, lost, ended.signal);
  try {
    // The store is asked meanwhile: who is told of the abort only afterwards would not hear of it at all.
    signal.throwIfAborted();
    return await work({ signal: AbortSignal.any([signal, lost.signal]), keepLock: keep });
  } finally {
    ended.abort();
    await attending;
    await release(lock, leaseMilliseconds, locks, report);
  }
}

interface LeaseRequest {
  readonly name: string;
  readonly owner: string;
  readonly purpose: string;
  readonly leaseMilliseconds: number;
}

function leaseOn(request: LockRequest, leaseMilliseconds: number): LeaseRequest {
  const { controlPlane, operation } = request;
  return { name: controlPlaneLock(controlPlane), owner: operation, purpose: purposeOf(request), leaseMilliseconds };
}

async function acquire({ name, owner, purpose, leaseMilliseconds }: LeaseRequest, locks: Locks): Promise<Lock> {
  return await locks.acquire(name, owner, purpose, leaseMilliseconds);
}

/** Tries until a whole lease is over in which its owner has not extended it. */
async function acquireFromDead(lease: LeaseRequest, { locks, report, signal }: AttendedLockPorts): Promise<Lock> {
  let seen: Lock | undefined;
  for (let look = 0; ; look += 1) {
    signal.throwIfAborted();
    try {
      return await acquire(lease, locks);
    } catch (error) {
      if (!(error instanceof LockedError) || look > LOOKS_A_LEASE) throw error;
      const held = await locks.read(lease.name);
      if (look === 0) report({ kind: 'note', text: `${error.message}; waiting to see whether it does` });
      else if (held !== undefined && held.expiresAt !== seen?.expiresAt) throw error;
      seen = held;
    }
    await delay(lease.leaseMilliseconds / LOOKS_A_LEASE, undefined, { signal }).catch(() => undefined);
  }
}

/** Extends the lock until the work has ended. A store that does not answer lets nobody else have it either. */
async function attend(
  keep: () => Promise<void>,
  intervalMilliseconds: number,
  lost: AbortController,
  ended: AbortSignal,
): Promise<void> {
  for (;;) {
    await delay(intervalMilliseconds, undefined, { signal: ended }).catch(() => undefined);
    if (ended.aborted) return;
    try {
      await keep();
    } catch (error) {
      if (error instanceof LifeboatError && error.kind === 'transient' && !(error instanceof LockedError)) continue;
      lost.abort(error);
      return;
    }
  }
}

async function release(lock: Lock, leaseMilliseconds: number, locks: Locks, report: ReportProgress): Promise<void> {
  try {
    await locks.release(lock);
  } catch (error) {
    if (!(error instanceof LifeboatError)) throw error;
    const freeIn = `it is free in ${Math.ceil(leaseMilliseconds / 1000)} s at the latest`;
    report({ kind: 'note', text: `the lock could not be given back (${error.message}); ${freeIn}` });
  }
}
