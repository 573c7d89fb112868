import { ConfigurationError } from '../domain/errors.ts';

// S3's bound for a whole key; a directory's own bounds (255 bytes a segment on most filesystems) show when it is used.
const LONGEST_KEY_BYTES = 1024;

/**
 * Returns a key that every implementation can hold, ConfigurationError otherwise: segments joined by `/`, none empty, none
 * beginning with a dot (`..`, and the directory's own `.uploads`), no control characters (S3 answers in XML, which can't carry
 * them).
 */
export function checkedKey(key: string): string {
  const fault = findFault(key);
  if (fault === undefined) return key;
  throw new ConfigurationError(`${JSON.stringify(key)} can't be a key in the store: ${fault}`, {
    remedy: 'Correct the name that it was built from.',
  });
}

function findFault(key: string): string | undefined {
  const segments = key.split('/');
  if (segments.includes('')) return 'it has an empty segment';
  if (segments.some((segment) => segment.startsWith('.'))) return 'a segment begins with a dot';
  if (/\p{Cc}|[\uFFFE\uFFFF]/u.test(key)) return 'it has control characters';
  if (!key.isWellFormed()) return 'it is not valid Unicode';
  return Buffer.byteLength(key) > LONGEST_KEY_BYTES ? `it is longer than ${LONGEST_KEY_BYTES} bytes` : undefined;
}

/** The range when it can be asked for; a range that reaches over the object's end is cut there, or empty. */
export function checkedRange<R extends { readonly start: number; readonly end: number }>(
  range: R | undefined,
): R | undefined {
  if (range === undefined) return undefined;
  const { start, end } = range;
  if (Number.isSafeInteger(start) && Number.isSafeInteger(end) && start >= 0 && start <= end) return range;
  throw new RangeError(`bytes ${start} to ${end} are not a range`);
}

/** The folders that a listing prefix names wholly (empty, or ending in `/`), checked as a key is. */
export function checkedPrefix(prefix: string): string {
  const folder = prefix.slice(0, prefix.lastIndexOf('/') + 1);
  if (folder !== '') checkedKey(folder.slice(0, -1));
  return folder;
}
