import { describe, expect, it } from '@jest/globals';
import { UnsupportedError } from '../../../lambdas/domain/errors.ts';
import { parseStorageQuantity } from '../../../lambdas/platforms/statefulset-etcd/storage-quantity.ts';

describe('a size as Kubernetes writes it', () => {
  it.each([
    ['0', 0],
    ['1024', 1024],
    ['8Gi', 8 * 1024 ** 3],
    ['1.5Gi', 1.5 * 1024 ** 3],
    ['.5Ki', 512],
    ['3k', 3000],
    ['128M', 128_000_000],
    ['2T', 2e12],
    ['1E', 1e18],
    ['12e6', 12_000_000],
    ['1E3', 1000],
    ['5e-1', 0],
    ['1500m', 1],
  ])('%s', (text, bytes) => {
    expect(parseStorageQuantity(text)).toBe(bytes);
  });

  it.each(['', 'Gi', '8gi', '8GB', '-1', '1 Gi', '1..5', '0x10', 'NaN'])('"%s" is none', (text) => {
    expect(() => parseStorageQuantity(text)).toThrow(UnsupportedError);
  });
});
