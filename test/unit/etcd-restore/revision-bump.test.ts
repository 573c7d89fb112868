import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  revisionBump,
  type BumpFacts,
  type SeenRevision,
} from '../../../lambdas/datastores/etcd/restore/revision-bump.ts';
import { UnsupportedError } from '../../../lambdas/domain/errors.ts';
import { seed } from '../../suite/seed.ts';

const SMALLEST = 1_000_000;
const DAY_SECONDS = 86_400;

const HOUR_SECONDS = 3600;

const seenAt = (revision: number, secondsAgo: number): SeenRevision => ({
  revision,
  secondsAgo,
  source: `revision ${revision} of the store`,
});

const facts = (changes: Partial<BumpFacts>): BumpFacts => ({
  snapshotRevision: 5_000,
  liveRevision: undefined,
  writesPerSecond: null,
  ageSeconds: DAY_SECONDS,
  seen: [],
  ...changes,
});

describe('the revision bump of a restore', () => {
  const cases: [name: string, facts: Partial<BumpFacts>, bump: number, why: RegExp][] = [
    [
      'reaches beyond the live revision, with room for what is still written',
      { liveRevision: 905_000 },
      1_900_000,
      /^the live etcd is 900000 revisions ahead of the snapshot, and 1000000 more/,
    ],
    [
      'leaves more room where many writes were recorded',
      { liveRevision: 905_000, writesPerSecond: 100 },
      4_500_000,
      /and 3600000 more cover what is written until it is stopped$/,
    ],
    ['is the margin alone when nothing was written since', { liveRevision: 5_000 }, SMALLEST, /is 0 revisions/],
    [
      'does not believe an etcd that is behind the snapshot: it was begun anew',
      { liveRevision: 7 },
      1_000_000_000,
      /neither the live revision nor a write rate/,
    ],
    [
      'is ten times what the recorded rate would have written, when nobody can be asked',
      { writesPerSecond: 12.3456 },
      10_666_599,
      /^the live revision is unknown: 12\.3 writes a second over 86400 s, times 10$/,
    ],
    ['is never below a million', { writesPerSecond: 0.5, ageSeconds: 60 }, SMALLEST, /: the smallest bump$/],
    ['takes a snapshot from the future for a new one', { writesPerSecond: 50, ageSeconds: -60 }, SMALLEST, /over 0 s/],
    [
      'exceeds the newest revision that the store knows, when nobody can be asked',
      { writesPerSecond: 1, seen: [seenAt(8_100_000, HOUR_SECONDS), seenAt(9_005_000, HOUR_SECONDS)] },
      10_000_000,
      /^revision 9005000 of the store is 9000000 revisions ahead of the snapshot, and 1000000 more/,
    ],
    [
      'exceeds what the store knows, when the live etcd was begun anew and is behind it',
      { liveRevision: 10_000, seen: [seenAt(3_005_000, HOUR_SECONDS)], writesPerSecond: 1 },
      4_000_000,
      /^revision 3005000 of the store/,
    ],
    [
      'goes by the live revision where that is above all that the store knows',
      { liveRevision: 905_000, seen: [seenAt(904_999, 100 * DAY_SECONDS)] },
      1_900_000,
      /^the live etcd is 900000 revisions ahead/,
    ],
    [
      'does not use a rate that no etcd writes at: it was measured across a restore',
      { liveRevision: 905_000, writesPerSecond: 3e10 },
      180_900_000,
      /and 180000000 more cover/,
    ],
    [
      'is bounded by what etcd can have written in the time',
      { writesPerSecond: 3e10, ageSeconds: HOUR_SECONDS },
      360_000_000,
      /bounded by what etcd can write at all$/,
    ],
    [
      'raises a revision that was raised far too much before by no more than the margin',
      { snapshotRevision: 3e14, liveRevision: 3e14 + 10, seen: [seenAt(3e14, DAY_SECONDS)] },
      1_000_010,
      /^the live etcd is 10 revisions ahead/,
    ],
    [
      'is the margin alone where more would be beyond 2^53',
      { snapshotRevision: 5_000, liveRevision: Number.MAX_SAFE_INTEGER - SMALLEST, writesPerSecond: 1_000 },
      Number.MAX_SAFE_INTEGER - 5_000,
      /^the live etcd/,
    ],
    [
      'passes over a recorded revision that nothing can be raised above',
      { liveRevision: 905_000, seen: [seenAt(Number.MAX_SAFE_INTEGER - 1, HOUR_SECONDS)] },
      1_900_000,
      /; 1 recorded revisions do not count: nothing can be raised above them$/,
    ],
    ['covers a busy week when nothing is known', {}, 1_000_000_000, /neither the live revision nor a write rate/],
  ];
  it.each(cases)('%s', (_, changes, bump, why) => {
    const chosen = revisionBump(facts(changes));
    expect(chosen).toEqual({ bump, why: expect.stringMatching(why) });
  });

  it('always ends above the live revision and the snapshot, at a revision that is exact', () => {
    fc.assert(
      fc.property(
        fc.record({
          snapshotRevision: fc.integer({ min: 1, max: 2 ** 40 }),
          liveRevision: fc.option(fc.integer({ min: 1, max: 2 ** 40 }), { nil: undefined }),
          writesPerSecond: fc.option(fc.double({ min: 0, max: 1e15, noNaN: true })),
          ageSeconds: fc.double({ min: -1_000, max: 10 * 365 * DAY_SECONDS, noNaN: true }),
          seen: fc.array(
            fc.record({
              revision: fc.integer({ min: 1, max: 2 ** 40 }),
              secondsAgo: fc.double({ min: -1_000, max: 10 * 365 * DAY_SECONDS, noNaN: true }),
              source: fc.constant('the store'),
            }),
            { maxLength: 5 },
          ),
        }),
        (given) => {
          const { bump } = revisionBump(given);
          const restored = given.snapshotRevision + bump;
          expect(Number.isSafeInteger(restored)).toBe(true);
          expect(bump).toBeGreaterThanOrEqual(SMALLEST);
          expect(restored).toBeGreaterThan(given.liveRevision ?? 0);
          for (const { revision } of given.seen) expect(restored).toBeGreaterThan(revision);
        },
      ),
      { seed },
    );
  });

  it('is refused where numbers are not exact any more', () => {
    const beyond = facts({ snapshotRevision: Number.MAX_SAFE_INTEGER - 10 });
    expect(() => revisionBump(beyond)).toThrow(UnsupportedError);
  });
});
