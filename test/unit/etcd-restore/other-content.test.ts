import { describe, expect, it } from '@jest/globals';
import { isOtherContent } from '../../../lambdas/datastores/etcd/seal.ts';

describe('the content of a datastore behind the fence', () => {
  it.each([
    [true, 'another hash', { hash: 2, compactRevision: 5 }],
    [false, 'the same hash', { hash: 1, compactRevision: 5 }],
    [false, 'a hash of another compaction, which says nothing', { hash: 2, compactRevision: 7 }],
  ])('is another one (%s) by %s', (isOther, _, found) => {
    expect(isOtherContent(found, { hash: 1, compactRevision: 5 })).toBe(isOther);
  });
});
