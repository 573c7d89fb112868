const HIGH_WORD = 2 ** 32;

/** A run of bytes inside a page: `start` inclusive, `end` exclusive. */
export interface ByteRange {
  readonly view: DataView;
  readonly start: number;
  readonly end: number;
}

/** Negative, zero or positive as the first range sorts before, equal to or after the second one, byte by byte. */
export function compareBytes(
  left: DataView,
  leftStart: number,
  leftEnd: number,
  right: DataView,
  rightStart: number,
  rightEnd: number,
): number {
  const shared = Math.min(leftEnd - leftStart, rightEnd - rightStart);
  for (let at = 0; at < shared; at += 1) {
    const difference = left.getUint8(leftStart + at) - right.getUint8(rightStart + at);
    if (difference !== 0) return difference;
  }
  return leftEnd - leftStart - (rightEnd - rightStart);
}

/**
 * A little-endian 64-bit number as bbolt writes page ids. Above 2^53 it is only nearly right, which is good enough: every
 * caller compares it with a count of pages and refuses it.
 */
export function readU64(view: DataView, offset: number): number {
  return view.getUint32(offset, true) + view.getUint32(offset + 4, true) * HIGH_WORD;
}

/** A big-endian 64-bit number as etcd writes revisions; the same caveat. */
export function readBigEndianU64(view: DataView, offset: number): number {
  return view.getUint32(offset) * HIGH_WORD + view.getUint32(offset + 4);
}

/** The bytes themselves, not copied. */
export function bytesOf(view: DataView, start: number, end: number): Buffer {
  return Buffer.from(view.buffer, view.byteOffset + start, end - start);
}
