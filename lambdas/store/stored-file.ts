import type { BigIntStats } from 'node:fs';
import type { StoredObject } from './object-store.ts';

/** A file as an object. Files are never changed in place, so size, time and inode tell contents apart without reading them. */
export function describeFile(key: string, stats: BigIntStats): StoredObject {
  return {
    key,
    sizeBytes: Number(stats.size),
    etag: [stats.size, stats.mtimeNs, stats.ino].map((number) => number.toString(16)).join('-'),
    modifiedAt: stats.mtime,
  };
}
