import { mkdtemp, rm, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { LockedError, StoreUnavailableError } from '../../../lambdas/domain/errors.ts';
import { controlPlaneLock, operationLock, operationName } from '../../../lambdas/domain/operation.ts';
import type { Progress } from '../../../lambdas/domain/progress.ts';
import {
  lockControlPlane,
  withControlPlaneLock,
  withOperationLock,
  type AttendedLock,
} from '../../../lambdas/operations/lock.ts';
import { DirectoryStore } from '../../../lambdas/store/directory-store.ts';
import { Locks } from '../../../lambdas/store/locks.ts';
import { waitFor } from '../../testbed/waiting.ts';

const CONTROL_PLANE = 'mgmt-a/clusters/prod';
const LOCK = controlPlaneLock(CONTROL_PLANE);
const BACKUP = { operation: 'backup-1', controlPlane: CONTROL_PLANE, purpose: 'backup' } as const;
const RESTORE = { operation: 'restore-1', controlPlane: CONTROL_PLANE, purpose: 'restore' } as const;
/** Extended every few milliseconds, so that a test does not wait. */
const SHORT_LEASE_MILLISECONDS = 200;

let directory: string;
let store: DirectoryStore;
let locks: Locks;
let told: Progress[];
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'lifeboat-lock-'));
  store = new DirectoryStore(directory);
  locks = new Locks(store);
  told = [];
});
afterEach(() => rm(directory, { recursive: true }));

/** As if the time of its lease had passed. */
async function expireLock(name: string): Promise<undefined> {
  const longAgo = new Date('2026-01-01T00:00:00Z');
  await utimes(join(directory, 'locks', `${name}.json`), longAgo, longAgo);
}

async function backUp<T>(
  work: (lock: AttendedLock) => Promise<T>,
  { signal = new AbortController().signal, ...given }: { signal?: AbortSignal; locks?: Locks } = {},
): Promise<T> {
  const ports = { locks, signal, report: (progress: Progress) => void told.push(progress), ...given };
  return await withControlPlaneLock(BACKUP, ports, work, SHORT_LEASE_MILLISECONDS);
}

const untilAborted = async ({ signal }: AttendedLock): Promise<never> => {
  signal.throwIfAborted();
  await new Promise((resolve) => {
    signal.addEventListener('abort', resolve, { once: true });
  });
  throw signal.reason;
};

describe('work under the lock of a control plane', () => {
  it('has the lock, and gives it back with its result', async () => {
    expect(await backUp(() => locks.read(LOCK))).toMatchObject({
      owner: 'backup-1',
      purpose: `backs up ${CONTROL_PLANE}`,
    });
    expect(await locks.read(LOCK)).toBeUndefined();
  });

  it('gives the lock back when it fails, and fails with its own error', async () => {
    await expect(backUp(() => Promise.reject(new Error('its own')))).rejects.toThrow('its own');
    expect(await locks.read(LOCK)).toBeUndefined();
  });

  it('gives the lock back when it is interrupted', async () => {
    const interrupted = new AbortController();
    const working = backUp(untilAborted, { signal: interrupted.signal });
    await waitFor('the lock', () => locks.read(LOCK), { timeoutSeconds: 10, intervalMilliseconds: 5 });
    interrupted.abort(new Error('interrupted'));
    await expect(working).rejects.toThrow('interrupted');
    expect(await locks.read(LOCK)).toBeUndefined();
  });

  it('is not begun when it was interrupted while the lock was taken', async () => {
    let isBegun = false;
    const interrupted = backUp(() => Promise.resolve((isBegun = true)), {
      signal: AbortSignal.abort(new Error('interrupted')),
    });
    await expect(interrupted).rejects.toThrow('interrupted');
    expect(isBegun).toBe(false);
    expect(await locks.read(LOCK)).toBeUndefined();
  });

  it('is not begun while another operation has the lock, and leaves that its lock', async () => {
    const { token } = await lockControlPlane(RESTORE, { locks });
    let isBegun = false;
    const refused = backUp(() => Promise.resolve((isBegun = true)));
    await expect(refused).rejects.toThrow(
      new RegExp(`^${CONTROL_PLANE} is locked by restore-1 \\(restores ${CONTROL_PLANE}\\) until \\d{4}-`),
    );
    await expect(refused).rejects.toThrow(LockedError);
    expect(isBegun).toBe(false);
    expect(await locks.read(LOCK)).toMatchObject({ owner: 'restore-1', token });
  });

  it('keeps the lock for longer than one lease', async () => {
    await backUp(async () => {
      const lock = await locks.read(LOCK);
      const end = Date.parse(lock?.acquiredAt ?? '') + 3 * SHORT_LEASE_MILLISECONDS;
      await waitFor(
        'the lock to be extended',
        async () => Date.parse((await locks.read(LOCK))?.expiresAt ?? '') > end,
        { timeoutSeconds: 30, intervalMilliseconds: 5 },
      );
    });
  });

  it('is ended with the name of whoever has the lock now', async () => {
    const working = backUp(async (lock) => {
      // As if this process had been stopped for longer than its lease.
      await waitFor('the lock to be free', () => lockControlPlane(RESTORE, { locks }).catch(() => expireLock(LOCK)), {
        timeoutSeconds: 10,
        intervalMilliseconds: 1,
      });
      return await untilAborted(lock);
    });
    await expect(working).rejects.toThrow(LockedError);
    await expect(working).rejects.toThrow(/is locked by restore-1/);
    expect(await locks.read(LOCK)).toMatchObject({ owner: 'restore-1' });
  });

  it('has its result also when the lock can not be given back, and says when that is free', async () => {
    const broken = new (class extends Locks {
      override release(): Promise<void> {
        return Promise.reject(new StoreUnavailableError('the store does not answer'));
      }
    })(store);
    expect(await backUp(() => Promise.resolve('taken'), { locks: broken })).toBe('taken');
    expect(told).toEqual([
      {
        kind: 'note',
        text: 'the lock could not be given back (the store does not answer); it is free in 1 s at the latest',
      },
    ]);
  });
});

describe('work on an operation', () => {
  const LEASE_MILLISECONDS = 2_000;
  const workAs = async <T>(
    worker: string,
    work: (lock: AttendedLock) => Promise<T>,
    signal = new AbortController().signal,
  ) =>
    await withOperationLock(
      { operation: 'restore-1', worker },
      { locks, signal, report: (progress) => void told.push(progress) },
      work,
      LEASE_MILLISECONDS,
    );
  const untilHeld = () =>
    waitFor('the lock', () => locks.read(operationLock('restore-1')), { timeoutSeconds: 10, intervalMilliseconds: 5 });

  it('is refused to a second process while the first is alive, and the first goes on', async () => {
    const ended = Promise.withResolvers<string>();
    const first = workAs('process 1', () => ended.promise);
    await untilHeld();
    let isBegun = false;
    const second = workAs('process 2', () => Promise.resolve((isBegun = true)));
    await expect(second).rejects.toThrow(/^restore-1 is locked by process 1 \(works on it\) until \d{4}-/);
    await expect(second).rejects.toThrow(LockedError);
    expect(isBegun).toBe(false);
    ended.resolve('done');
    expect(await first).toBe('done');
    expect(await locks.read(operationLock('restore-1'))).toBeUndefined();
  });

  it('goes on with that of a process that was killed, once its lease is over', async () => {
    const dead = await locks.acquire(operationLock('restore-1'), 'process 1', 'works on it', LEASE_MILLISECONDS);
    const begunAt = await workAs('process 2', () => Promise.resolve(Date.now()));
    expect(begunAt).toBeGreaterThanOrEqual(Date.parse(dead.expiresAt));
    expect(told).toEqual([
      {
        kind: 'note',
        text: expect.stringMatching(/^restore-1 is locked by process 1 .*; waiting to see whether it does$/),
      },
    ]);
  });

  it('is taken up at once after a process that gave it back', async () => {
    await expect(workAs('process 1', () => Promise.reject(new Error('its own')))).rejects.toThrow('its own');
    expect(await workAs('process 2', () => Promise.resolve('done'))).toBe('done');
    expect(told).toEqual([]);
  });

  it('is not waited for by somebody who was interrupted', async () => {
    await locks.acquire(operationLock('restore-1'), 'process 1', 'works on it', 600_000);
    const interrupted = workAs('process 2', () => Promise.resolve(), AbortSignal.abort(new Error('interrupted')));
    await expect(interrupted).rejects.toThrow('interrupted');
    expect(await locks.read(operationLock('restore-1'))).toMatchObject({ owner: 'process 1' });
  });
});

it('gives two operations of one second different names', () => {
  const at = new Date('2026-01-02T03:04:05Z');
  expect(operationName('backup', at, () => 0)).toBe('backup-20260102t030405z-0000');
  expect(operationName('backup', at, () => 0.5)).not.toBe(operationName('backup', at, () => 0));
});
