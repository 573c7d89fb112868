import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { crc32c, shiftRegister, updateRegister } from '../../../lambdas/datastores/etcd/file/crc32c.ts';
import { seed } from '../../suite/seed.ts';
import { crcBitByBit } from './history.ts';

// Properties take seconds where other suites run beside them.
const bytes = fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array));
const register = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });

function update(start: number, data: Buffer): number {
  return updateRegister(start, new DataView(data.buffer, data.byteOffset, data.byteLength), 0, data.byteLength);
}

describe('CRC-32C', () => {
  it.each([
    ['', 0],
    ['123456789', 0xe3069283],
    ['The quick brown fox jumps over the lazy dog', 0x22620404],
  ])('of %p is the published value', (text, checksum) => {
    expect(crc32c(Buffer.from(text))).toBe(checksum);
  });

  it('is what its definition says, bit by bit, for any bytes', () => {
    fc.assert(
      fc.property(bytes, (data) => {
        expect(crc32c(data)).toBe(crcBitByBit(data));
      }),
      { seed },
    );
  });

  it('moves a register over zeros as feeding them would', () => {
    fc.assert(
      fc.property(register, fc.integer({ min: 0, max: 5000 }), (start, zeros) => {
        expect(shiftRegister(start, zeros)).toBe(update(start, Buffer.alloc(zeros)));
      }),
      { seed },
    );
  });

  it('moves a register over more bytes than 32 bits count as over each half in turn', () => {
    fc.assert(
      fc.property(register, fc.integer({ min: 0, max: 2 ** 45 }), (start, half) => {
        expect(shiftRegister(start, half * 2)).toBe(shiftRegister(shiftRegister(start, half), half));
      }),
      { seed },
    );
  });

  it('can be carried from one register to another over the same bytes', () => {
    fc.assert(
      fc.property(register, register, bytes, (one, other, data) => {
        expect(shiftRegister(other ^ one, data.length) ^ update(one, data)).toBe(update(other, data));
      }),
      { seed },
    );
  });
});
