/** The fixed parts of bbolt's format, for tests that write files or damage them. */
export const PAGE_HEADER_BYTES = 16;

export interface Meta {
  readonly pageSizeBytes: number;
  readonly root: number;
  readonly freelist: bigint;
  readonly highWater: number;
  readonly transaction: number;
}

export function writeHeader(
  page: Buffer,
  header: { readonly id: number; readonly flags: number; readonly count: number; readonly overflow: number },
): void {
  page.writeBigUInt64LE(BigInt(header.id), 0);
  page.writeUInt16LE(header.flags, 8);
  page.writeUInt16LE(header.count, 10);
  page.writeUInt32LE(header.overflow, 12);
}

/** Header and contents of a meta page. */
export function encodeMeta(meta: Meta, page: number): Buffer {
  const bytes = Buffer.alloc(PAGE_HEADER_BYTES + 64);
  writeHeader(bytes, { id: page, flags: 4, count: 0, overflow: 0 });
  const body = bytes.subarray(PAGE_HEADER_BYTES);
  body.writeUInt32LE(0xed0cdaed, 0);
  body.writeUInt32LE(2, 4);
  body.writeUInt32LE(meta.pageSizeBytes, 8);
  body.writeBigUInt64LE(BigInt(meta.root), 16);
  body.writeBigUInt64LE(meta.freelist, 32);
  body.writeBigUInt64LE(BigInt(meta.highWater), 40);
  body.writeBigUInt64LE(BigInt(meta.transaction), 48);
  body.writeBigUInt64LE(fnv1a64(body.subarray(0, 56)), 56);
  return bytes;
}

function fnv1a64(bytes: Buffer): bigint {
  let hash = 0xcbf29ce484222325n;
  for (const byte of bytes) hash = ((hash ^ BigInt(byte)) * 0x100000001b3n) % 2n ** 64n;
  return hash;
}
