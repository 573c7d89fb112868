import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import * as z from 'zod';
import { LockedError } from '../../../lambdas/domain/errors.ts';
import { controlPlaneLock, datastoreLock } from '../../../lambdas/domain/operation.ts';
import { DirectoryStore } from '../../../lambdas/store/directory-store.ts';
import { Journal } from '../../../lambdas/store/journal.ts';
import { Locks, type Lock } from '../../../lambdas/store/locks.ts';
import type { ObjectStore } from '../../../lambdas/store/object-store.ts';
import { encodeJson } from '../../../lambdas/store/stored-json.ts';
import { atAnotherTime } from '../../suite/another-time.ts';
import { waitFor } from '../../testbed/waiting.ts';
import { SUBJECTS, type Subject } from './store-subjects.ts';

const MINUTE = 60_000;
/** S3 tells times to the second. */
const SHORT_LEASE_MILLISECONDS = 2_000;
const NAME = 'control-planes/a/b/c';

describe.each(SUBJECTS)('a lock in %s', (_name, open) => {
  let subject: Subject;
  let store: ObjectStore;
  let locks: Locks;
  beforeAll(async () => {
    subject = await open();
  }, 600_000);
  afterAll(() => subject.close());
  beforeEach(async () => {
    ({ store } = await subject.place());
    locks = new Locks(store);
  });

  const take = (owner: string, leaseMilliseconds = 20 * MINUTE) =>
    locks.acquire(NAME, owner, 'backs up a/b/c', leaseMilliseconds);
  const untilExpired = () =>
    waitFor('the lease to be over', async () => (await locks.read(NAME))?.isExpired, { timeoutSeconds: 30 });
  const untilTaken = (owner: string): Promise<Lock> =>
    waitFor(
      'the lock to be free',
      () =>
        take(owner).catch((error: unknown) => {
          if (error instanceof LockedError) return undefined;
          throw error;
        }),
      { timeoutSeconds: 30 },
    );

  it('is refused to everybody else with the name of its owner', async () => {
    const { expiresAt } = await take('nightly-1');
    await expect(take('nightly-2')).rejects.toThrow(LockedError);
    await expect(take('nightly-2')).rejects.toThrow(
      `a/b/c is locked by nightly-1 (backs up a/b/c) until ${expiresAt}, or longer while that works`,
    );
    await expect(locks.refuseWhileHeld(NAME)).rejects.toThrow(LockedError);
  });

  it('that was given back is not extended any more', async () => {
    const lock = await take('nightly-1');
    await locks.check(lock);
    await locks.release(lock);
    await expect(locks.extend(lock, MINUTE)).rejects.toThrow('the lock on a/b/c was given back meanwhile');
    await expect(locks.check(lock)).rejects.toThrow('the lock on a/b/c was given back meanwhile');
  });

  it('is extended, not refused, for the owner that asks twice', async () => {
    const { token, expiresAt } = await take('nightly-1', MINUTE);
    const again = await take('nightly-1');
    expect(again.token).toBe(token);
    expect(Date.parse(again.expiresAt) - Date.parse(expiresAt)).toBeGreaterThanOrEqual(19 * MINUTE);
  });

  it('is free after its release, and the next owner has a higher token, also if it is the same', async () => {
    const lock = await take('nightly-1');
    await locks.release(lock);
    await locks.release(lock);
    const next = await take('nightly-2');
    expect(next.token).toBe(lock.token + 1);
    await locks.release(next);
    expect((await take('nightly-2')).token).toBe(lock.token + 2);
  });

  it('is free when a dead owner lets it expire, and what that owner does later is refused or in vain', async () => {
    const lost = await take('nightly-1', SHORT_LEASE_MILLISECONDS);
    const held = await untilTaken('nightly-2');
    expect(held.token).toBe(lost.token + 1);
    await expect(locks.extend(lost, MINUTE)).rejects.toThrow(LockedError);
    await expect(locks.check(lost)).rejects.toThrow(/nightly-2/);
    await locks.release(lost);
    await expect(take('nightly-3')).rejects.toThrow(/nightly-2/);
    await expect(locks.extend(held, 30 * MINUTE)).resolves.toMatchObject({ token: held.token, hadExpired: false });
  });

  it('keeps its token when its owner comes back after it has expired and nobody else has had it', async () => {
    const lock = await take('nightly-1', SHORT_LEASE_MILLISECONDS);
    await untilExpired();
    expect(await locks.readHeld(NAME)).toBeUndefined();
    expect((await take('nightly-1', SHORT_LEASE_MILLISECONDS)).token).toBe(lock.token);
    await untilExpired();
    expect(await locks.extend(lock, MINUTE)).toMatchObject({ token: lock.token, hadExpired: true });
    expect((await locks.readHeld(NAME))?.owner).toBe('nightly-1');
  });

  it.each([
    ['ahead', 12 * MINUTE],
    ['behind', -12 * MINUTE],
  ])('of somebody who is at work is not taken by a machine whose clock is %s', async (_which, offset) => {
    const lock = await take('nightly-1', 10 * MINUTE);
    await atAnotherTime(offset, async () => {
      await expect(take('nightly-2')).rejects.toThrow(/nightly-1/);
      expect((await locks.readHeld(NAME))?.owner).toBe('nightly-1');
      await locks.extend(lock, 10 * MINUTE);
    });
    await expect(take('nightly-2')).rejects.toThrow(/nightly-1/);
  });

  it("is free after its lease also when its owner's clock was ahead", async () => {
    await atAnotherTime(12 * MINUTE, () => take('nightly-1', SHORT_LEASE_MILLISECONDS));
    await untilTaken('nightly-2');
  });

  it('that a former version has written is held for the lease that its times show, and then free', async () => {
    const write = (leaseMilliseconds: number) =>
      store.put(
        `locks/${NAME}.json`,
        encodeJson({
          owner: 'nightly-1',
          token: 7,
          purpose: 'backs up a/b/c',
          acquiredAt: '2026-01-02T03:04:05.000Z',
          expiresAt: new Date(Date.parse('2026-01-02T03:04:05.000Z') + leaseMilliseconds).toISOString(),
          releasedAt: null,
        }),
      );
    await write(MINUTE);
    await expect(take('nightly-2')).rejects.toThrow(/nightly-1/);
    await write(SHORT_LEASE_MILLISECONDS);
    expect((await untilTaken('nightly-2')).token).toBe(8);
  });

  it('goes to exactly one of many that ask at the same time', async () => {
    const owners = Array.from({ length: 8 }, (_, index) => `run-${index}`);
    const answers = await Promise.allSettled(owners.map((owner) => take(owner)));
    expect(answers.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  });

  describe('with others', () => {
    const [SOURCE, TARGET] = [controlPlaneLock('mgmt-a/clusters/prod'), controlPlaneLock('mgmt-b/clusters/prod')];
    const STORE = datastoreLock('mgmt-b/datastores/shared');
    const takeAll = (owner: string, names: readonly string[], leaseMilliseconds = MINUTE) =>
      locks.acquireAll(names, owner, 'restores mgmt-a/clusters/prod', leaseMilliseconds);
    const ownerOf = async (name: string) => (await locks.read(name))?.owner;

    it('is taken in one order whatever it is asked for in, once where it is asked for twice', async () => {
      const taken = await takeAll('restore-1', [STORE, TARGET, SOURCE, TARGET]);
      expect(taken.map(({ name }) => name)).toEqual([SOURCE, TARGET, STORE]);
      const again = await takeAll('restore-1', [SOURCE, TARGET, STORE]);
      expect(again.map(({ token }) => token)).toEqual(taken.map(({ token }) => token));
    });

    it('is given back when a later one is refused, with the name of who has that', async () => {
      await takeAll('restore-1', [STORE]);
      const refused = takeAll('restore-2', [SOURCE, TARGET, STORE]);
      await expect(refused).rejects.toBeInstanceOf(LockedError);
      await expect(refused).rejects.toThrow(/^the datastore mgmt-b\/datastores\/shared is locked by restore-1 /);
      await expect(refused).rejects.toHaveProperty(
        'remedy',
        expect.stringContaining('lifeboat restore mgmt-a/clusters/prod --resume restore-1'),
      );
      expect(await Promise.all([SOURCE, TARGET, STORE].map(ownerOf))).toEqual([undefined, undefined, 'restore-1']);
    });

    it('stays where its owner had it before, although a later one is refused', async () => {
      const [source] = await takeAll('restore-1', [SOURCE]);
      await takeAll('restore-2', [STORE]);
      await expect(takeAll('restore-1', [SOURCE, TARGET, STORE])).rejects.toBeInstanceOf(LockedError);
      expect(await Promise.all([SOURCE, TARGET, STORE].map(ownerOf))).toEqual(['restore-1', undefined, 'restore-2']);
      expect((await locks.read(SOURCE))?.token).toBe(source?.token);
    });

    it('is extended and given back with them, by the tokens of its owner', async () => {
      const lost = await takeAll('restore-1', [SOURCE, STORE], SHORT_LEASE_MILLISECONDS);
      await waitFor('the leases to be over', async () => (await locks.read(STORE))?.isExpired, { timeoutSeconds: 30 });
      expect(await locks.extendAll(lost, SHORT_LEASE_MILLISECONDS)).toEqual({ hadExpired: true });
      const held = await waitFor('the datastore', () => takeAll('restore-2', [STORE]).catch(() => undefined), {
        timeoutSeconds: 30,
      });
      await expect(locks.extendAll(lost, MINUTE)).rejects.toThrow(/restore-2/);
      await locks.releaseAll(lost);
      expect(await Promise.all([SOURCE, STORE].map(ownerOf))).toEqual([undefined, 'restore-2']);
      expect(await locks.extendAll(held, MINUTE)).toEqual({ hadExpired: false });
    });
  });
});

describe('the journal', () => {
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'lifeboat-journal-'));
  });
  afterEach(() => rm(directory, { recursive: true }));

  const schema = z.strictObject({ id: z.string() });

  it('does a step once, and gives its first result to every later delivery', async () => {
    const journal = new Journal(new DirectoryStore(directory), 'backup');
    const done: string[] = [];
    const step = (id: string) =>
      journal.once('run', 'take-snapshot/a/b/c', schema, () => {
        done.push(id);
        return Promise.resolve({ id });
      });
    expect(await step('first')).toEqual({ id: 'first' });
    expect(await step('second')).toEqual({ id: 'first' });
    expect(done).toEqual(['first']);
  });

  it('gives two that work at the same time one and the same result', async () => {
    const journal = new Journal(new DirectoryStore(directory), 'backup');
    const results = await Promise.all(
      ['a', 'b', 'c'].map((id) => journal.once('run', 'step', schema, () => Promise.resolve({ id }))),
    );
    expect(new Set(results.map(({ id }) => id)).size).toBe(1);
  });

  it('records nothing of a step that fails', async () => {
    const journal = new Journal(new DirectoryStore(directory), 'backup');
    await expect(journal.once('run', 'step', schema, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(await journal.once('run', 'step', schema, () => Promise.resolve({ id: 'later' }))).toEqual({ id: 'later' });
  });
});
