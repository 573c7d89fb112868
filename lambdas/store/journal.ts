import { createHash } from 'node:crypto';
import type * as z from 'zod';
import { ConflictError } from '../domain/errors.ts';
import type { Purpose } from '../domain/purpose.ts';
import type { ObjectStore } from './object-store.ts';
import { changeJson, encodeJson, findJson, parseJson, readBytes, readJson } from './stored-json.ts';

/**
 * Restores have a place of their own, which no function of a backup may write: their steps read from it again what they do to
 * a control plane.
 */
const ROOTS: Readonly<Record<Purpose, string>> = { backup: 'operations/', restore: 'restores/' };

/** A document of an operation, e.g. `plan` or `steps/swap-data`. */
export interface RecordedDocument {
  readonly name: string;
  readonly writtenAt: Date;
}

/** A document with the SHA-256 of its bytes as they lie in the store. */
export interface SealedDocument<T> {
  readonly document: T;
  readonly sha256: string;
}

/** What an operation planned, did and found: `operations/<id>/…`, `restores/<id>/…`. Written once each; only `revise` rewrites. */
export class Journal {
  readonly #store: ObjectStore;
  readonly #root: string;

  constructor(store: ObjectStore, purpose: Purpose) {
    this.#store = store;
    this.#root = ROOTS[purpose];
  }

  /** Where a document of an operation lies. */
  key(operation: string, name: string): string {
    return `${this.#root}${operation}/${name}.json`;
  }

  /**
   * Does a step of an operation once: a second delivery gets what the first one recorded. Of two at the same time both
   * work, and both get the result of whoever recorded first, so the work must bear being done twice.
   */
  async once<T>(operation: string, step: string, schema: z.ZodType<T>, work: () => Promise<T>): Promise<T> {
    const name = `steps/${step}`;
    return (await this.read(operation, name, schema)) ?? (await this.record(operation, name, schema, await work()));
  }

  /** Records a document of an operation, and gives the one that stands there: this one, or what was there before. */
  async record<T>(operation: string, name: string, schema: z.ZodType<T>, document: T): Promise<T> {
    const key = this.key(operation, name);
    try {
      await this.#store.put(key, encodeJson(schema.parse(document)), { ifAbsent: true });
      return document;
    } catch (error) {
      if (!(error instanceof ConflictError)) throw error;
      return await readJson(this.#store, key, schema);
    }
  }

  /**
   * Records what another attempt at the same operation makes of a document. Nothing is written when `decide` gives the one
   * back that stands there.
   */
  async revise<T>(
    operation: string,
    name: string,
    schema: z.ZodType<T>,
    decide: (present: T | undefined) => T,
  ): Promise<T> {
    let decided: { readonly document: T } | undefined;
    await changeJson(this.#store, this.key(operation, name), schema, (present) => {
      decided = { document: decide(present) };
      return decided.document === present ? undefined : decided.document;
    });
    if (decided === undefined) throw new Error(`nothing was decided on ${name} of ${operation}`);
    return decided.document;
  }

  /** Every operation that has recorded anything, in order of names. */
  async operations(): Promise<string[]> {
    const found = new Set<string>();
    for await (const { key } of this.#store.list(this.#root))
      found.add(key.slice(this.#root.length).split('/', 1)[0] ?? '');
    return [...found];
  }

  /** What an operation has recorded, in the order of its writing. */
  async documents(operation: string): Promise<RecordedDocument[]> {
    const root = `${this.#root}${operation}/`;
    const found: RecordedDocument[] = [];
    for await (const { key, modifiedAt } of this.#store.list(root)) {
      found.push({ name: key.slice(root.length).replace(/\.json$/, ''), writtenAt: modifiedAt });
    }
    return found.sort((a, b) => a.writtenAt.getTime() - b.writtenAt.getTime());
  }

  /** Whether anything was recorded under this name. */
  async has(operation: string, name: string): Promise<boolean> {
    return (await this.#store.head(this.key(operation, name))) !== undefined;
  }

  /** undefined when nothing was recorded under this name. */
  async read<T>(operation: string, name: string, schema: z.ZodType<T>): Promise<T | undefined> {
    return await findJson(this.#store, this.key(operation, name), schema);
  }

  /** The same with the hash by which it can be told from any other. */
  async readSealed<T>(operation: string, name: string, schema: z.ZodType<T>): Promise<SealedDocument<T> | undefined> {
    const key = this.key(operation, name);
    if ((await this.#store.head(key)) === undefined) return undefined;
    const bytes = await readBytes(this.#store, key);
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    return { document: parseJson(bytes, schema, `${key} in ${this.#store.location}`), sha256 };
  }
}
