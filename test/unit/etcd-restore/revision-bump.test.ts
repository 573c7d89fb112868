import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { revisionBump, type BumpFacts } from '../../../lambdas/datastores/etcd/restore/revision-bump.ts';
import { UnsupportedError } from '../../../lambdas/domain/errors.ts';
import { seed } from '../../suite/seed.ts';

const SMALLEST = 1_000_000;
const DAY_SECONDS = 86_400;

const facts = (changes: Partial<BumpFacts>): BumpFacts => ({
  snapshotRevision: 5_000,
  liveRevision: undefined,
  writesPerSecond: null,
  ageSeconds: DAY_SECONDS,
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
          writesPerSecond: fc.option(fc.double({ min: 0, max: 50_000, noNaN: true })),
          ageSeconds: fc.double({ min: -1_000, max: 10 * 365 * DAY_SECONDS, noNaN: true }),
        }),
        (given) => {
          const { bump } = revisionBump(given);
          const restored = given.snapshotRevision + bump;
          expect(Number.isSafeInteger(restored)).toBe(true);
          expect(bump).toBeGreaterThanOrEqual(SMALLEST);
          expect(restored).toBeGreaterThan(given.liveRevision ?? 0);
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
