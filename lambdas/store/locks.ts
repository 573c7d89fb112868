import * as z from 'zod';
import { LockedError, NotFoundError } from '../domain/errors.ts';
import { restoredBy, subjectOfLock } from '../domain/operation.ts';
import type { Observation, ObjectStore } from './object-store.ts';
import { changeJson, readJson } from './stored-json.ts';

/** Of locks that were written before their documents said how long: no lease was longer. */
const LONGEST_UNSAID_LEASE_MILLISECONDS = 20 * 60 * 1000;

const lockSchema = z.strictObject({
  /** The operation that holds it. */
  owner: z.string(),
  /** Rises with every new owner: what carries an older one comes too late. */
  token: z.int().positive(),
  /** One sentence for whoever is refused because of it. */
  purpose: z.string(),
  acquiredAt: z.iso.datetime(),
  /** For people. Whether it is over only the store's own clock says: `leaseMilliseconds` after the document was written. */
  expiresAt: z.iso.datetime(),
  releasedAt: z.iso.datetime().nullable(),
  leaseMilliseconds: z.int().positive().optional(),
});

type Lease = z.infer<typeof lockSchema>;

/** A lease on something that only one operation may work on: `locks/<name>.json`. */
export type Lock = Lease & { readonly name: string };

/** A lock that somebody has, or has let expire without releasing it. */
export type SeenLock = Lock & { readonly isExpired: boolean };

/**
 * Leases by conditional writes. A lock is never deleted, only marked as released: with versions, S3 refuses `If-None-Match`
 * for some services once a key has a delete marker, and the token has to rise for ever. Times are the store's: a machine whose
 * clock is wrong, or that was asleep, takes no lock of somebody who is at work.
 */
export class Locks {
  readonly #store: ObjectStore;

  constructor(store: ObjectStore) {
    this.#store = store;
  }

  /**
   * Takes the lock, or extends it when this owner has it already, so that a step may be delivered twice; also when it has let it
   * expire and nobody else has taken it: the token is the same as long as there was no other owner. LockedError names the owner
   * while another one has it.
   */
  async acquire(name: string, owner: string, purpose: string, leaseMilliseconds: number): Promise<Lock> {
    const lease = await this.#change(name, (held, seen) => {
      const times = { leaseMilliseconds, expiresAt: endOf(leaseMilliseconds, seen.at) };
      const isHeld = held?.releasedAt === null;
      if (isHeld && held.owner === owner) return { ...held, ...times };
      if (isHeld && !isExpired(held, seen)) throw lockedBy(name, held);
      const token = (held?.token ?? 0) + 1;
      return { owner, token, purpose, acquiredAt: seen.at.toISOString(), releasedAt: null, ...times };
    });
    return { ...lease, name };
  }

  /**
   * Extends a lock that is still ours, and says whether it had expired meanwhile: then somebody may have counted on that. LockedError
   * when somebody else has it, or had it since.
   */
  async extend(lock: Pick<Lock, 'name' | 'token'>, leaseMilliseconds: number): Promise<Lock & { hadExpired: boolean }> {
    let hadExpired = false;
    const lease = await this.#change(lock.name, (held, seen) => {
      if (!isStill(lock, held)) throw lostLock(lock.name, held);
      hadExpired = isExpired(held, seen);
      return { ...held, leaseMilliseconds, expiresAt: endOf(leaseMilliseconds, seen.at) };
    });
    return { ...lease, name: lock.name, hadExpired };
  }

  /** LockedError when the lock is no longer ours. One request, nothing is written: for whoever is about to change something. */
  async check(lock: Pick<Lock, 'name' | 'token'>): Promise<void> {
    const held = await this.#find(lock.name);
    if (!isStill(lock, held)) throw lostLock(lock.name, held);
  }

  /** Releases it; no error when it is no longer ours. */
  async release(lock: Pick<Lock, 'name' | 'token'>): Promise<void> {
    await this.#change(lock.name, (held, { at }) =>
      isStill(lock, held) ? { ...held, releasedAt: at.toISOString() } : undefined,
    );
  }

  /**
   * Takes several locks, or none: those that it has taken are given back when it is refused a later one, or fails; those that its
   * owner had before stay. Everybody takes them in the order of their names, so that of those who ask for some of the same at once
   * one always gets all.
   */
  async acquireAll(
    names: readonly string[],
    owner: string,
    purpose: string,
    leaseMilliseconds: number,
  ): Promise<Lock[]> {
    const held: Lock[] = [];
    const taken: Lock[] = [];
    try {
      for (const name of [...new Set(names)].sort()) {
        const isKept = (await this.read(name))?.owner === owner;
        const lock = await this.acquire(name, owner, purpose, leaseMilliseconds);
        held.push(lock);
        if (!isKept) taken.push(lock);
      }
      return held;
    } catch (error) {
      // Those that can't be given back are free when their lease is over; why it was refused is what counts.
      await this.releaseAll(taken).catch(() => undefined);
      throw error;
    }
  }

  /** Extends all of them, and says whether any had expired meanwhile. LockedError when one is no longer ours. */
  async extendAll(
    locks: readonly Pick<Lock, 'name' | 'token'>[],
    leaseMilliseconds: number,
  ): Promise<{ hadExpired: boolean }> {
    const extended = await Promise.all(locks.map((lock) => this.extend(lock, leaseMilliseconds)));
    return { hadExpired: extended.some(({ hadExpired }) => hadExpired) };
  }

  /** Releases those of them that are still ours, whatever becomes of the others; then the first error. */
  async releaseAll(locks: readonly Pick<Lock, 'name' | 'token'>[]): Promise<void> {
    const released = await Promise.allSettled(locks.map((lock) => this.release(lock)));
    for (const outcome of released) if (outcome.status === 'rejected') throw outcome.reason;
  }

  /** LockedError while anybody has the lock: for whoever would hear of it only after long work. */
  async refuseWhileHeld(name: string): Promise<void> {
    const lock = await this.readHeld(name);
    if (lock !== undefined) throw lockedBy(name, lock);
  }

  /** Who has the lock now; undefined when nobody has, or its lease is over. */
  async readHeld(name: string): Promise<Lock | undefined> {
    const lock = await this.read(name);
    return lock === undefined || lock.isExpired ? undefined : lock;
  }

  /** Who has the lock or has let it expire without releasing it; undefined when nobody has. */
  async read(name: string): Promise<SeenLock | undefined> {
    const seen = await this.#store.observe(keyOf(name));
    const lease = seen.stored && (await this.#find(name));
    if (lease?.releasedAt !== null) return undefined;
    return { ...lease, name, isExpired: isExpired(lease, seen) };
  }

  /** Whether anybody has ever had it. */
  async wasEverTaken(name: string): Promise<boolean> {
    return (await this.#find(name)) !== undefined;
  }

  /** The store's own time, by a lock that was just taken or extended. */
  async storeTime(name: string): Promise<Date> {
    return (await this.#store.observe(keyOf(name))).at;
  }

  /** One request where it is there. */
  async #find(name: string): Promise<Lease | undefined> {
    try {
      return await readJson(this.#store, keyOf(name), lockSchema);
    } catch (error) {
      if (error instanceof NotFoundError) return undefined;
      throw error;
    }
  }

  async #change<T extends Lease | undefined>(
    name: string,
    decide: (held: Lease | undefined, seen: Observation) => T,
  ): Promise<T> {
    return await changeJson(this.#store, keyOf(name), lockSchema, decide);
  }
}

function isStill({ token }: Pick<Lock, 'token'>, held: Lease | undefined): held is Lease {
  return held?.token === token && held.releasedAt === null;
}

function isExpired({ leaseMilliseconds, acquiredAt, expiresAt }: Lease, { stored, at }: Observation): boolean {
  if (stored === undefined) return true;
  // Both of one clock, and further apart with every extension.
  const unsaid = Math.min(Date.parse(expiresAt) - Date.parse(acquiredAt), LONGEST_UNSAID_LEASE_MILLISECONDS);
  return stored.modifiedAt.getTime() + (leaseMilliseconds ?? unsaid) <= at.getTime();
}

function endOf(leaseMilliseconds: number, at: Date): string {
  return new Date(at.getTime() + leaseMilliseconds).toISOString();
}

function keyOf(name: string): string {
  return `locks/${name}.json`;
}

function lockedBy(name: string, { owner, purpose, expiresAt }: Lease): LockedError {
  const subject = subjectOfLock(name);
  const restored = restoredBy(purpose);
  return new LockedError(
    `${subject} is locked by ${owner} (${purpose}) until ${expiresAt}, or longer while that works`,
    {
      remedy:
        'Wait for it to end. When nobody works on it any more, the lock is free at that time.' +
        (restored !== undefined
          ? ` "lifeboat operations" shows who works on it. A restore that was left goes on with: lifeboat restore ${restored} --resume ${owner}, or is closed with: lifeboat abandon ${owner}`
          : ''),
    },
  );
}

function lostLock(name: string, held: Lease | undefined): LockedError {
  if (held === undefined) {
    return new LockedError(`the lock on ${subjectOfLock(name)} is gone from the store`, {
      remedy:
        'See that the store is there and whole, e.g. that its directory is mounted. Then "lifeboat operations" shows what has not ended, and "lifeboat operation <operation>" how it goes on.',
    });
  }
  if (held.releasedAt === null) return lockedBy(name, held);
  return new LockedError(`the lock on ${subjectOfLock(name)} was given back meanwhile`, {
    remedy: 'Another run of the same operation has ended it; look at how that came out.',
  });
}
