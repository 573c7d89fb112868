import * as z from 'zod';
import { LockedError } from '../domain/errors.ts';
import type { ObjectStore } from './object-store.ts';
import { changeJson, findJson } from './stored-json.ts';

const lockSchema = z.strictObject({
  /** The operation that holds it. */
  owner: z.string(),
  /** Rises with every new owner: what carries an older one comes too late. */
  token: z.int().positive(),
  /** One sentence for whoever is refused because of it. */
  purpose: z.string(),
  acquiredAt: z.iso.datetime(),
  expiresAt: z.iso.datetime(),
  releasedAt: z.iso.datetime().nullable(),
});

type Lease = z.infer<typeof lockSchema>;

/** A lease on something that only one operation may work on: `locks/<name>.json`. */
export type Lock = Lease & { readonly name: string };

/**
 * Leases by conditional writes. A lock is never deleted, only marked as released: with versions, S3 refuses `If-None-Match`
 * for some services once a key has a delete marker, and the token has to rise for ever.
 */
export class Locks {
  readonly #store: ObjectStore;
  readonly #clock: () => Date;

  constructor(store: ObjectStore, clock: () => Date) {
    this.#store = store;
    this.#clock = clock;
  }

  /**
   * Takes the lock, or extends it when this owner has it already, so that a step may be delivered twice. LockedError names
   * the owner while another one has it.
   */
  async acquire(name: string, owner: string, purpose: string, leaseMilliseconds: number): Promise<Lock> {
    const lease = await this.#change(name, (held) => {
      const now = this.#clock();
      const free = held === undefined || held.releasedAt !== null || Date.parse(held.expiresAt) <= now.getTime();
      const expiresAt = new Date(now.getTime() + leaseMilliseconds).toISOString();
      if (!free && held.owner === owner) return { ...held, expiresAt };
      if (!free) throw lockedBy(name, held);
      const token = (held?.token ?? 0) + 1;
      return { owner, token, purpose, acquiredAt: now.toISOString(), expiresAt, releasedAt: null };
    });
    return { ...lease, name };
  }

  /** Extends a lock that is still ours. LockedError when it expired and somebody else has it, or had it since. */
  async extend(lock: Pick<Lock, 'name' | 'token'>, leaseMilliseconds: number): Promise<Lock> {
    const lease = await this.#change(lock.name, (held) => {
      if (held?.token !== lock.token || held.releasedAt !== null) throw lostLock(lock.name, held);
      return { ...held, expiresAt: new Date(this.#clock().getTime() + leaseMilliseconds).toISOString() };
    });
    return { ...lease, name: lock.name };
  }

  /** Releases it; no error when it is no longer ours. */
  async release({ name, token }: Pick<Lock, 'name' | 'token'>): Promise<void> {
    const releasedAt = this.#clock().toISOString();
    await this.#change(name, (held) =>
      held?.token === token && held.releasedAt === null ? { ...held, releasedAt } : undefined,
    );
  }

  /** LockedError while anybody has the lock: for whoever would hear of it only after long work. */
  async refuseWhileHeld(name: string): Promise<void> {
    const lock = await this.readHeld(name);
    if (lock !== undefined) throw lockedBy(name, lock);
  }

  /** Who has the lock now; undefined when nobody has, or its lease is over. */
  async readHeld(name: string): Promise<Lock | undefined> {
    const lock = await this.read(name);
    return lock !== undefined && Date.parse(lock.expiresAt) > this.#clock().getTime() ? lock : undefined;
  }

  /** Who has the lock or has let it expire without releasing it; undefined when nobody has. */
  async read(name: string): Promise<Lock | undefined> {
    const lease = await findJson(this.#store, keyOf(name), lockSchema);
    return lease === undefined || lease.releasedAt !== null ? undefined : { ...lease, name };
  }

  /** When it was last taken, extended or released, by the store's own clock; undefined when it never was. */
  async writtenAt(name: string): Promise<Date | undefined> {
    return (await this.#store.head(keyOf(name)))?.modifiedAt;
  }

  async #change<T extends Lease | undefined>(name: string, decide: (held: Lease | undefined) => T): Promise<T> {
    return await changeJson(this.#store, keyOf(name), lockSchema, decide);
  }
}

function keyOf(name: string): string {
  return `locks/${name}.json`;
}

/** The name without its first part, which only says of what kind the thing is. */
function subjectOf(name: string): string {
  return name.slice(name.indexOf('/') + 1);
}

function lockedBy(name: string, { owner, purpose, expiresAt }: Lease): LockedError {
  return new LockedError(
    `${subjectOf(name)} is locked by ${owner} (${purpose}) until ${expiresAt}, or longer while that works`,
    {
      remedy:
        'Wait for it to end. When nobody works on it any more, the lock is free at that time; a restore that was ended goes on with --resume.',
    },
  );
}

function lostLock(name: string, held: Lease | undefined): LockedError {
  if (held?.releasedAt === null) return lockedBy(name, held);
  return new LockedError(`the lock on ${subjectOf(name)} was given back meanwhile`, {
    remedy: 'Another run of the same operation has ended it; look at how that came out.',
  });
}
