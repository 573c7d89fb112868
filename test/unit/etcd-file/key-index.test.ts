import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { KeyIndex } from '../../../lambdas/datastores/etcd/file/key-index.ts';
import { seed } from '../../suite/seed.ts';

// Properties take seconds where other suites run beside them.
function numberOf(index: KeyIndex, text: string): number {
  const bytes = Buffer.from(`..${text}..`, 'latin1');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return index.numberOf(view, 2, 2 + Buffer.from(text, 'latin1').length);
}

describe('the index of keys', () => {
  it('gives each distinct key a number in order of first sight, and the same one again', () => {
    const key = fc.string({ unit: fc.constantFrom('a', 'b', '/', '\0'), maxLength: 9 });
    fc.assert(
      fc.property(fc.array(key, { maxLength: 300 }), (keys) => {
        const index = new KeyIndex();
        const expected = [...new Set(keys)];
        expect(keys.map((text) => numberOf(index, text))).toEqual(keys.map((text) => expected.indexOf(text)));
        expect(index.size).toBe(expected.length);
      }),
      { seed, numRuns: 30 },
    );
  });

  it('tells 50,000 keys apart that differ little', () => {
    const index = new KeyIndex();
    const keys = Array.from({ length: 50_000 }, (_, number) => `/registry/pods/namespace/name-${number}`);
    expect(keys.every((key, number) => numberOf(index, key) === number)).toBe(true);
    expect(keys.every((key, number) => numberOf(index, key) === number)).toBe(true);
  });
});
