import { readBigEndianU64 } from './bytes.ts';
import { PageFault } from './tree-page.ts';

const REVISION_BYTES = 17;
const TOMBSTONE_BYTES = 18;
const SEPARATOR = 0x5f;
const TOMBSTONE_MARK = 0x74;

/**
 * The main revision of a 17-byte `<main>_<sub>` at `start`, both numbers of 64 bits big endian. Throws PageFault when it
 * is none, or is above 2^53: etcd would need a thousand years to get there, so it is damage.
 */
export function mainRevision(view: DataView, start: number, end: number): number {
  if (end - start < REVISION_BYTES || view.getUint8(start + 8) !== SEPARATOR)
    throw new PageFault('a revision is malformed');
  const main = readBigEndianU64(view, start);
  if (main > Number.MAX_SAFE_INTEGER) throw new PageFault('a revision is beyond any that etcd reaches');
  return main;
}

/** Whether the key of the `key` bucket is one of 18 bytes, which says that the key was deleted at this revision. */
export function isTombstone(view: DataView, start: number, end: number): boolean {
  if (end - start === REVISION_BYTES) return false;
  if (end - start === TOMBSTONE_BYTES && view.getUint8(end - 1) === TOMBSTONE_MARK) return true;
  throw new PageFault('a revision is malformed');
}
