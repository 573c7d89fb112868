import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import fc, { type Scheduler } from 'fast-check';
import { LockedError } from '../../../lambdas/domain/errors.ts';
import { DirectoryStore } from '../../../lambdas/store/directory-store.ts';
import { Locks, type Lock } from '../../../lambdas/store/locks.ts';
import { seed } from '../../suite/seed.ts';

const MINUTE = 60_000;
const NAMES = ['control-planes/a', 'control-planes/b', 'control-planes/c', 'datastores/a'];

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'lifeboat-several-locks-'));
});
afterEach(() => rm(directory, { recursive: true }));

/** Whose turn it is to ask the store the scheduler says. */
class ScheduledLocks extends Locks {
  readonly #scheduler: Scheduler;

  constructor(store: DirectoryStore, scheduler: Scheduler) {
    super(store);
    this.#scheduler = scheduler;
  }

  override async acquire(...request: Parameters<Locks['acquire']>): Promise<Lock> {
    await this.#scheduler.schedule(Promise.resolve(), `${request[1]} takes ${request[0]}`);
    return await super.acquire(...request);
  }

  override async release(lock: Pick<Lock, 'name' | 'token'>): Promise<void> {
    await this.#scheduler.schedule(Promise.resolve(), `${lock.name} is given back`);
    await super.release(lock);
  }
}

it('of several who take some of the same locks at once no two get one, one gets all of its, and who is refused keeps none', async () => {
  let run = 0;
  const wanted = fc.shuffledSubarray(NAMES, { minLength: 1 });
  const all = fc.array(wanted, { minLength: 2, maxLength: 4 });
  const property = fc.asyncProperty(fc.scheduler(), all, async (scheduler, sets) => {
    run += 1;
    const locks = new ScheduledLocks(new DirectoryStore(join(directory, String(run))), scheduler);
    const asking = sets.map((names, index) => locks.acquireAll(names, `run-${index}`, 'restores a', MINUTE));
    const answers = await scheduler.waitFor(Promise.allSettled(asking));
    const held = answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []));
    expect(held.length).toBeGreaterThan(0);
    expect(new Set(held.map(({ name }) => name)).size).toBe(held.length);
    for (const answer of answers) if (answer.status === 'rejected') expect(answer.reason).toBeInstanceOf(LockedError);
    const seen = await Promise.all(NAMES.map((name) => locks.read(name)));
    const ownerByName = (lock: Lock | undefined) => lock && `${lock.name} ${lock.owner}`;
    expect(seen.flatMap((lock) => ownerByName(lock) ?? []).sort()).toEqual(held.map(ownerByName).sort());
  });
  await fc.assert(property, { seed, numRuns: 200 });
});
