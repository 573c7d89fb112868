import { z } from 'zod';
import { ConflictError, LockedError } from '../domain/errors.ts';
import type { ObjectStore } from './object-store.ts';
import { encodeJson, readJson } from './stored-json.ts';

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

const ROOT = 'locks/';
const SUFFIX = '.json';

/** Others may be faster so often, then somebody is at fault. */
const ATTEMPTS = 5;

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
      if (held?.token !== lock.token || held.releasedAt !== null) throw lockedBy(lock.name, held);
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

  /** All that are held now or have expired without being released, in order of their names. */
  async *held(): AsyncGenerator<Lock> {
    for await (const { key } of this.#store.list(ROOT)) {
      const name = key.slice(ROOT.length, -SUFFIX.length);
      const lock = await readJson(this.#store, key, lockSchema);
      if (lock.releasedAt === null) yield { ...lock, name };
    }
  }

  /** Writes what `decide` makes of the present state, unless somebody else was faster: then it decides again. */
  async #change<T extends Lease | undefined>(name: string, decide: (held: Lease | undefined) => T): Promise<T> {
    const key = `${ROOT}${name}${SUFFIX}`;
    for (let attempt = 1; ; attempt += 1) {
      const stored = await this.#store.head(key);
      const held = stored === undefined ? undefined : await readJson(this.#store, key, lockSchema);
      const next = decide(held);
      if (next === undefined) return next;
      try {
        const condition = stored === undefined ? { ifAbsent: true } : { ifMatch: stored.etag };
        await this.#store.put(key, encodeJson(next), condition);
        return next;
      } catch (error) {
        if (!(error instanceof ConflictError) || attempt === ATTEMPTS) throw error;
      }
    }
  }
}

function lockedBy(name: string, held: Lease | undefined): LockedError {
  const owner = held === undefined ? 'nobody' : `${held.owner} (${held.purpose}) until ${held.expiresAt}`;
  return new LockedError(`${name} is locked by ${owner}`, {
    remedy: `Wait for it to end; "lifeboat operations" shows it. A lock whose owner is dead is free when it expires.`,
  });
}
