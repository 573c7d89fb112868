import type { Bitmap } from './bitmap.ts';
import { checksumOf, INITIAL_REGISTER, shiftRegister, updateRegister } from './crc32c.ts';
import type { Uint32Column } from './uint32-column.ts';

/** What HashKV starts with: the name of the bucket. */
const BUCKET_NAME = Buffer.from('key');

/** A CRC that ran over all entries, and which of them are wanted. */
export interface ScannedRuns {
  /** Register before the first entry. */
  readonly startRegister: number;
  /** Register after, and length of, each entry at or below the compact revision. */
  readonly registers: Uint32Column;
  readonly lengths: Uint32Column;
  /** Those of them that count. */
  readonly kept: Bitmap;
  /** Total length of the entries after them, all of which count, and the register at their end. */
  readonly laterBytes: number;
  readonly laterRegister: number;
}

/**
 * The unsigned CRC-32C of the bucket's name and the wanted entries. CRC is linear: a run that takes register p to q
 * takes any other register r to shift(r ^ p, length of the run) ^ q.
 */
export function hashRuns(scanned: ScannedRuns): number {
  const name = new DataView(BUCKET_NAME.buffer, BUCKET_NAME.byteOffset, BUCKET_NAME.byteLength);
  let hash = updateRegister(INITIAL_REGISTER, name, 0, name.byteLength);
  let runStart = scanned.startRegister;
  let runBytes = 0;
  let before = scanned.startRegister;
  const closeRun = (runEnd: number) => {
    if (runBytes > 0) hash = shiftRegister(hash ^ runStart, runBytes) ^ runEnd;
    runBytes = 0;
  };
  for (let entry = 0; entry < scanned.registers.length; entry += 1) {
    const after = scanned.registers.get(entry);
    if (scanned.kept.has(entry)) {
      if (runBytes === 0) runStart = before;
      runBytes += scanned.lengths.get(entry);
    } else closeRun(before);
    before = after;
  }
  if (scanned.laterBytes > 0) {
    if (runBytes === 0) runStart = before;
    runBytes += scanned.laterBytes;
    before = scanned.laterRegister;
  }
  closeRun(before);
  return checksumOf(hash);
}
