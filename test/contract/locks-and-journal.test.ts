import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import * as z from 'zod';
import { LockedError } from '../../lambdas/domain/errors.ts';
import { DirectoryStore } from '../../lambdas/store/directory-store.ts';
import { Journal } from '../../lambdas/store/journal.ts';
import { Locks } from '../../lambdas/store/locks.ts';

const MINUTE = 60_000;

let directory: string;
let now: Date;
let locks: Locks;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'lifeboat-locks-'));
  now = new Date('2026-01-02T03:04:05Z');
  locks = new Locks(new DirectoryStore(directory), () => now);
});
afterEach(() => rm(directory, { recursive: true }));

const take = (owner: string) => locks.acquire('control-planes/a/b/c', owner, 'backs up a/b/c', 20 * MINUTE);
const pass = (minutes: number) => (now = new Date(now.getTime() + minutes * MINUTE));

describe('a lock', () => {
  it('is refused to everybody else with the name of its owner', async () => {
    await take('nightly-1');
    await expect(take('nightly-2')).rejects.toThrow(LockedError);
    await expect(take('nightly-2')).rejects.toThrow(
      /^a\/b\/c is locked by nightly-1 \(backs up a\/b\/c\) until 2026-01-02T03:24:05/,
    );
  });

  it('that was given back is not extended any more', async () => {
    const lock = await take('nightly-1');
    await locks.release(lock);
    await expect(locks.extend(lock, MINUTE)).rejects.toThrow('the lock on a/b/c was given back meanwhile');
  });

  it('is extended, not refused, for the owner that asks twice', async () => {
    const { token } = await take('nightly-1');
    pass(10);
    expect(await take('nightly-1')).toMatchObject({ token, expiresAt: '2026-01-02T03:34:05.000Z' });
  });

  it('is free after its release, and the next owner has a higher token', async () => {
    const lock = await take('nightly-1');
    await locks.release(lock);
    await locks.release(lock);
    expect((await take('nightly-2')).token).toBe(lock.token + 1);
  });

  it('is free when a dead owner lets it expire, and what that owner does later is refused or in vain', async () => {
    const lost = await take('nightly-1');
    pass(21);
    const held = await take('nightly-2');
    await expect(locks.extend(lost, MINUTE)).rejects.toThrow(LockedError);
    await locks.release(lost);
    await expect(take('nightly-3')).rejects.toThrow(/nightly-2/);
    await expect(locks.extend(held, 30 * MINUTE)).resolves.toMatchObject({ token: held.token });
  });

  it('goes to exactly one of many that ask at the same time', async () => {
    const owners = Array.from({ length: 8 }, (_, index) => `run-${index}`);
    const answers = await Promise.allSettled(owners.map(take));
    expect(answers.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  });
});

describe('the journal', () => {
  const schema = z.strictObject({ id: z.string() });

  it('does a step once, and gives its first result to every later delivery', async () => {
    const journal = new Journal(new DirectoryStore(directory));
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
    const journal = new Journal(new DirectoryStore(directory));
    const results = await Promise.all(
      ['a', 'b', 'c'].map((id) => journal.once('run', 'step', schema, () => Promise.resolve({ id }))),
    );
    expect(new Set(results.map(({ id }) => id)).size).toBe(1);
  });

  it('records nothing of a step that fails', async () => {
    const journal = new Journal(new DirectoryStore(directory));
    await expect(journal.once('run', 'step', schema, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(await journal.once('run', 'step', schema, () => Promise.resolve({ id: 'later' }))).toEqual({ id: 'later' });
  });
});
