import * as z from 'zod';
import { ConflictError, CorruptSnapshotError } from '../domain/errors.ts';
import type { Observation, ObjectStore } from './object-store.ts';

/** Others may be faster so often, then somebody is at fault. */
const ATTEMPTS = 5;

/** How every JSON document lies in the store: indented, for people read them as well. */
export function encodeJson(value: unknown): Buffer {
  return Buffer.from(`${JSON.stringify(value, undefined, 2)}\n`);
}

/** Reads a JSON document. NotFoundError when it is absent, CorruptSnapshotError when it is not what the schema says. */
export async function readJson<T>(store: ObjectStore, key: string, schema: z.ZodType<T>): Promise<T> {
  return parseJson(await readBytes(store, key), schema, `${key} in ${store.location}`);
}

/** A small object whole. NotFoundError when it is absent. */
export async function readBytes(store: ObjectStore, key: string): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of await store.read(key)) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

/** CorruptSnapshotError, which says `where`, when the bytes are no JSON document of the schema. */
export function parseJson<T>(bytes: Buffer, schema: z.ZodType<T>, where: string): T {
  let json: unknown;
  try {
    json = JSON.parse(bytes.toString());
  } catch (cause) {
    throw new CorruptSnapshotError(`${where} is not JSON`, { cause });
  }
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  throw new CorruptSnapshotError(`${where} is not valid: ${z.prettifyError(parsed.error)}`, {
    remedy: 'It was written by another version of Lifeboat or damaged; do not restore from it.',
  });
}

/** The same, but undefined when it is absent. */
export async function findJson<T>(store: ObjectStore, key: string, schema: z.ZodType<T>): Promise<T | undefined> {
  return (await store.head(key)) === undefined ? undefined : await readJson(store, key, schema);
}

/** The same, but undefined also when it is damaged: for what is written anew from something else. */
async function findIntactJson<T>(store: ObjectStore, key: string, schema: z.ZodType<T>): Promise<T | undefined> {
  try {
    return await readJson(store, key, schema);
  } catch (error) {
    if (error instanceof CorruptSnapshotError) return undefined;
    throw error;
  }
}

/**
 * Writes what `decide` makes of the document as it stands, unless somebody else was faster: then it decides again. Nothing
 * is written when it decides on undefined. It is also told when the document was written, and the store's own time. ConflictError when others were faster every time.
 * CorruptSnapshotError when it is damaged, unless it is then to be replaced as if it were not there.
 */
export async function changeJson<T, Next extends T | undefined>(
  store: ObjectStore,
  key: string,
  schema: z.ZodType<T>,
  decide: (present: T | undefined, seen: Observation) => Next,
  { whenDamaged = 'refuse' }: { readonly whenDamaged?: 'refuse' | 'replace' } = {},
): Promise<Next> {
  const read = whenDamaged === 'refuse' ? readJson : findIntactJson;
  for (let attempt = 1; ; attempt += 1) {
    const seen = await store.observe(key);
    const { stored } = seen;
    const next = decide(stored === undefined ? undefined : await read(store, key, schema), seen);
    if (next === undefined) return next;
    try {
      const condition = stored === undefined ? { ifAbsent: true } : { ifMatch: stored.etag };
      await store.put(key, encodeJson(next), condition);
      return next;
    } catch (error) {
      if (!(error instanceof ConflictError) || attempt === ATTEMPTS) throw error;
    }
  }
}
