import type * as z from 'zod';
import { ConflictError } from '../domain/errors.ts';
import type { ObjectStore } from './object-store.ts';
import { encodeJson, findJson, readJson } from './stored-json.ts';

/** What an operation planned, did and found: `operations/<id>/…`. Written once each, never rewritten. */
export class Journal {
  readonly #store: ObjectStore;

  constructor(store: ObjectStore) {
    this.#store = store;
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
    const key = keyOf(operation, name);
    try {
      await this.#store.put(key, encodeJson(schema.parse(document)), { ifAbsent: true });
      return document;
    } catch (error) {
      if (!(error instanceof ConflictError)) throw error;
      return await readJson(this.#store, key, schema);
    }
  }

  /** undefined when nothing was recorded under this name. */
  async read<T>(operation: string, name: string, schema: z.ZodType<T>): Promise<T | undefined> {
    return await findJson(this.#store, keyOf(operation, name), schema);
  }
}

function keyOf(operation: string, name: string): string {
  return `operations/${operation}/${name}.json`;
}
