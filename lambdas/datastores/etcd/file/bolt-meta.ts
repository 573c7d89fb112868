import type { PageSource } from './page-source.ts';
import { readU64 } from './bytes.ts';

/** Size of the header that every page starts with. */
export const PAGE_HEADER_BYTES = 16;

const MAGIC = 0xed0cdaed;
const VERSION = 2;
const META_BYTES = 64;
const CHECKSUMMED_BYTES = 56;
const FNV_OFFSET_BASIS = 0xcbf29ce484222325n;
const FNV_PRIME = 0x100000001b3n;
const NOT_PERSISTED = 0xffffffff;
const SMALLEST_PAGE_BYTES = 1024;
const LARGEST_PAGE_BYTES = SMALLEST_PAGE_BYTES << 14;

/** What one of the two meta pages says. */
export interface BoltMeta {
  readonly pageSizeBytes: number;
  readonly rootPage: number;
  /** Undefined when the list of free pages is not kept in the file, as etcd has it on Linux. */
  readonly freelistPage: number | undefined;
  /** Number of pages in use so far; every page id is below it. */
  readonly highWater: number;
  readonly transaction: number;
}

/**
 * The valid meta page of the newest transaction, or undefined when there is none. The page size is that of the host which
 * made the file and is written in the metas only, so when the first one is damaged the second is looked for at every
 * size that a page can have, as bbolt does.
 */
export function readNewestMeta(source: PageSource): BoltMeta | undefined {
  const first = readMeta(source, 0);
  const second = first === undefined ? probe(source) : readMeta(source, first.pageSizeBytes);
  if (first === undefined || second === undefined) return first ?? second;
  return second.transaction > first.transaction ? second : first;
}

function probe(source: PageSource): BoltMeta | undefined {
  for (let size = SMALLEST_PAGE_BYTES; size <= LARGEST_PAGE_BYTES; size *= 2) {
    const meta = readMeta(source, size);
    if (meta?.pageSizeBytes === size) return meta;
  }
  return undefined;
}

function readMeta(source: PageSource, offset: number): BoltMeta | undefined {
  if (offset + PAGE_HEADER_BYTES + META_BYTES > source.sizeBytes) return undefined;
  const view = source.read(offset + PAGE_HEADER_BYTES, META_BYTES);
  if (view.getUint32(0, true) !== MAGIC || view.getUint32(4, true) !== VERSION) return undefined;
  if (view.getBigUint64(CHECKSUMMED_BYTES, true) !== fnv1a(view)) return undefined;
  const pageSizeBytes = view.getUint32(8, true);
  if (!isPageSize(pageSizeBytes)) return undefined;
  return {
    pageSizeBytes,
    rootPage: readU64(view, 16),
    freelistPage:
      view.getUint32(32, true) === NOT_PERSISTED && view.getUint32(36, true) === NOT_PERSISTED
        ? undefined
        : readU64(view, 32),
    highWater: readU64(view, 40),
    transaction: readU64(view, 48),
  };
}

function isPageSize(sizeBytes: number): boolean {
  return sizeBytes >= SMALLEST_PAGE_BYTES && sizeBytes <= LARGEST_PAGE_BYTES && (sizeBytes & (sizeBytes - 1)) === 0;
}

function fnv1a(view: DataView): bigint {
  let hash = FNV_OFFSET_BASIS;
  for (let at = 0; at < CHECKSUMMED_BYTES; at += 1) {
    hash = BigInt.asUintN(64, (hash ^ BigInt(view.getUint8(at))) * FNV_PRIME);
  }
  return hash;
}
