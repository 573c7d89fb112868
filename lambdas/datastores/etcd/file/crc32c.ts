/**
 * CRC-32C (Castagnoli), the checksum of both `etcdutl snapshot status` and HashKV. Node's zlib has only the other CRC-32.
 *
 * A *register* is the CRC's inner state, a signed 32-bit number without the customary inversions: registers of
 * neighbouring ranges can be combined, which lets one pass over a file give two hashes (see keyspace-hash.ts).
 */

const REFLECTED_POLYNOMIAL = 0x82f63b78;
const SLICES = 16;

/** Register before the first byte. */
export const INITIAL_REGISTER = -1;

const tables = buildTables();
const powers = buildPowers();

/** The register after the bytes `start` (inclusive) to `end` (exclusive) of `view`. Sixteen bytes a step. */
export function updateRegister(register: number, view: DataView, start: number, end: number): number {
  let crc = register;
  let at = start;
  for (; end - at >= SLICES; at += SLICES) {
    const a = crc ^ view.getInt32(at, true);
    const b = view.getInt32(at + 4, true);
    const c = view.getInt32(at + 8, true);
    const d = view.getInt32(at + 12, true);
    crc =
      slice(15, a & 255) ^
      slice(14, (a >>> 8) & 255) ^
      slice(13, (a >>> 16) & 255) ^
      slice(12, a >>> 24) ^
      slice(11, b & 255) ^
      slice(10, (b >>> 8) & 255) ^
      slice(9, (b >>> 16) & 255) ^
      slice(8, b >>> 24) ^
      slice(7, c & 255) ^
      slice(6, (c >>> 8) & 255) ^
      slice(5, (c >>> 16) & 255) ^
      slice(4, c >>> 24) ^
      slice(3, d & 255) ^
      slice(2, (d >>> 8) & 255) ^
      slice(1, (d >>> 16) & 255) ^
      slice(0, d >>> 24);
  }
  for (; at < end; at += 1) crc = slice(0, (crc ^ view.getUint8(at)) & 255) ^ (crc >>> 8);
  return crc;
}

/** The register after `zeroBytes` further bytes of zero, in time logarithmic in their number. */
export function shiftRegister(register: number, zeroBytes: number): number {
  let crc = register;
  let remaining = zeroBytes;
  for (const power of powers) {
    if (remaining === 0) break;
    if (remaining % 2 === 1) crc = multiply(power, crc);
    remaining = Math.floor(remaining / 2);
  }
  return crc;
}

/** The unsigned CRC-32C that a register stands for. */
export function checksumOf(register: number): number {
  return ~register >>> 0;
}

/** The unsigned CRC-32C of `bytes`. */
export function crc32c(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return checksumOf(updateRegister(INITIAL_REGISTER, view, 0, bytes.byteLength));
}

function slice(table: number, index: number): number {
  return tables[table * 256 + index] as number;
}

function buildTables(): Int32Array {
  const all = new Int32Array(SLICES * 256);
  for (let byte = 0; byte < 256; byte += 1) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit += 1) crc = timesX(crc);
    all[byte] = crc;
  }
  for (let index = 256; index < all.length; index += 1) {
    const previous = all[index - 256] as number;
    all[index] = (previous >>> 8) ^ (all[previous & 255] as number);
  }
  return all;
}

/** x^(8·2^k) for every bit k of a byte count below 2^53; the highest coefficient is bit 0, as everywhere here. */
function buildPowers(): number[] {
  let power = 1 << 23;
  return Array.from({ length: 53 }, () => {
    const current = power;
    power = multiply(power, power);
    return current;
  });
}

/** Product of two polynomials modulo the CRC's own. */
function multiply(left: number, right: number): number {
  let product = 0;
  let shifted = right;
  for (let bit = 31; bit >= 0; bit -= 1) {
    if ((left >>> bit) & 1) product ^= shifted;
    shifted = timesX(shifted);
  }
  return product;
}

function timesX(polynomial: number): number {
  return polynomial & 1 ? (polynomial >>> 1) ^ REFLECTED_POLYNOMIAL : polynomial >>> 1;
}
