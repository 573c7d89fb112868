import { describe, expect, it } from '@jest/globals';
import { writeRate, type RecordedRevision } from '../../../lambdas/domain/write-rate.ts';

const TAKEN_AT = new Date('2026-01-02T03:00:00Z');
const LATER = new Date('2026-01-02T03:01:40Z');

const before = (changes: Partial<RecordedRevision> = {}): RecordedRevision => ({
  controlPlaneUid: 'uid',
  clusterId: 'a1',
  revision: 1_000,
  takenAt: TAKEN_AT,
  writesPerSecond: 7,
  ...changes,
});
const found = { controlPlaneUid: 'uid', clusterId: 'a1', revision: 6_000, takenAt: LATER };

describe('the write rate of a recovery point', () => {
  it('is what was written since the one before, a second', () => {
    expect(writeRate(found, before())).toBe(50);
  });

  it.each([
    ['the cluster id is another: a restore lies between', { ...found, clusterId: 'b2' }, before()],
    ['the revision went back', { ...found, revision: 900 }, before()],
    ['the revision rose faster than any etcd writes', { ...found, revision: 1_000_000_000 }, before()],
    ['the clock went back', { ...found, takenAt: new Date('2026-01-02T02:00:00Z') }, before()],
    ['no time has passed', { ...found, takenAt: TAKEN_AT }, before()],
  ])('stays what it was before when %s', (_, observed, recorded) => {
    expect(writeRate(observed, recorded)).toBe(7);
  });

  it.each([
    ['there is no recovery point before', undefined],
    ['the one before is of another control plane of this name', before({ controlPlaneUid: 'other' })],
    ['a restore lies between, and nothing was known before', before({ clusterId: 'b2', writesPerSecond: null })],
    [
      'a former version measured it across a restore, and there was another one since',
      before({ clusterId: 'b2', writesPerSecond: 16_000_000 }),
    ],
  ])('is unknown when %s', (_, recorded) => {
    expect(writeRate(found, recorded)).toBeNull();
  });
});
