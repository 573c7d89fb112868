import { createCipheriv, createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import type { ObjectStore, PutOptions, StoredObject } from '../../../lambdas/store/object-store.ts';

/** Bytes without any repetition, others for each salt, so that any shift or mix-up shows: a key stream of AES. */
export function patternedBytes(sizeBytes: number, salt = 0): Buffer {
  return createCipheriv('aes-128-ctr', Buffer.alloc(16, salt), Buffer.alloc(16)).update(Buffer.alloc(sizeBytes));
}

export async function readAll(stream: Readable): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

export async function listAll(store: ObjectStore, prefix: string): Promise<StoredObject[]> {
  const objects: StoredObject[] = [];
  for await (const object of store.list(prefix)) objects.push(object);
  return objects;
}

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** Uploads bytes in chunks as they come from a stream, that is of a size that fits no part. */
export async function uploadAll(
  store: ObjectStore,
  key: string,
  bytes: Uint8Array,
  options: PutOptions = {},
): Promise<StoredObject> {
  const upload = await store.beginUpload(key, options);
  try {
    for (let offset = 0; offset < bytes.byteLength; offset += CHUNK_BYTES) {
      await upload.write(bytes.subarray(offset, offset + CHUNK_BYTES));
    }
    return await upload.complete();
  } catch (error) {
    await upload.abort();
    throw error;
  }
}

const CHUNK_BYTES = 777_777;
