import { z } from 'zod';
import { CorruptSnapshotError } from '../domain/errors.ts';
import type { ObjectStore } from './object-store.ts';

/** How every JSON document lies in the store: indented, for people read them as well. */
export function encodeJson(value: unknown): Buffer {
  return Buffer.from(`${JSON.stringify(value, undefined, 2)}\n`);
}

/** Reads a JSON document. NotFoundError when it is absent, CorruptSnapshotError when it is not what the schema says. */
export async function readJson<T>(store: ObjectStore, key: string, schema: z.ZodType<T>): Promise<T> {
  const chunks: Buffer[] = [];
  for await (const chunk of await store.read(key)) chunks.push(chunk as Buffer);
  let json: unknown;
  try {
    json = JSON.parse(Buffer.concat(chunks).toString());
  } catch (cause) {
    throw new CorruptSnapshotError(`${key} in ${store.location} is not JSON`, { cause });
  }
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  throw new CorruptSnapshotError(`${key} in ${store.location} is not valid: ${z.prettifyError(parsed.error)}`, {
    remedy: 'It was written by another version of Lifeboat or damaged; do not restore from it.',
  });
}
