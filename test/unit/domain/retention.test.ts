import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { retentionRulesSchema, type RetentionRules } from '../../../lambdas/domain/policy.ts';
import { decideRetention, type RetainedPoint } from '../../../lambdas/domain/retention.ts';
import { seed } from '../../suite/seed.ts';

const NOW = new Date('2026-11-20T12:00:00Z');
const DAY = 24 * 3_600_000;

function point(id: string, takenAt: string, more: Partial<RetainedPoint> = {}): RetainedPoint {
  const usual = {
    controlPlaneUid: 'uid',
    reason: 'scheduled',
    verdict: 'verified',
    pinned: false,
    policy: 'nightly',
    isFromFuture: false,
  } as const;
  return { id, takenAt: new Date(takenAt), ...usual, ...more };
}

function rules(given: Partial<RetentionRules>): RetentionRules {
  return retentionRulesSchema.parse({ minimumVerified: 1, ...given });
}

function decide(
  points: readonly RetainedPoint[],
  given: Partial<RetentionRules>,
  now = NOW,
  deletionCap = 1000,
  safetyGraceDays = 14,
) {
  return decideRetention(points, rules(given), { now, policy: 'nightly', deletionCap, safetyGraceDays });
}

function kept(points: readonly RetainedPoint[], given: Partial<RetentionRules>, now = NOW): string[] {
  return decide(points, given, now)
    .filter(({ action }) => action === 'keep')
    .map(({ id }) => id);
}

describe('retention', () => {
  it('keeps the newest of each day and says for which day', () => {
    const points = [
      point('a', '2026-11-18T01:00:00Z'),
      point('b', '2026-11-18T23:00:00Z'),
      point('c', '2026-11-19T01:00:00Z'),
      point('d', '2026-11-20T01:00:00Z'),
    ];
    expect(decide(points, { daily: 3 })).toEqual([
      { id: 'd', action: 'keep', reasons: ['newest verified', 'daily 2026-11-20'] },
      { id: 'c', action: 'keep', reasons: ['daily 2026-11-19'] },
      { id: 'b', action: 'keep', reasons: ['daily 2026-11-18'] },
      { id: 'a', action: 'delete', reasons: ['no rule keeps it'] },
    ]);
  });

  it('counts ISO weeks, whose year is not always that of the date', () => {
    const decisions = decide(
      [point('a', '2027-01-01T00:00:00Z'), point('b', '2026-12-28T00:00:00Z')],
      { weekly: 2 },
      new Date('2027-01-02T00:00:00Z'),
    );
    expect(decisions[0]?.reasons).toContain('weekly 2026-W53');
    expect(decisions[1]?.reasons).toEqual(['weekly, the oldest while there are fewer than 2']);
  });

  it('keeps the oldest as well while a rule has periods left', () => {
    const points = [
      point('a', '2026-11-20T01:00:00Z'),
      point('b', '2026-11-20T02:00:00Z'),
      point('c', '2026-11-20T03:00:00Z'),
    ];
    expect(kept(points, { monthly: 12 })).toEqual(['c', 'a']);
  });

  it('measures within from the newest point, so that nothing goes while backups fail', () => {
    const points = [
      point('a', '2025-01-01T00:00:00Z'),
      point('b', '2025-01-06T00:00:00Z'),
      point('c', '2024-12-01T00:00:00Z'),
    ];
    expect(kept(points, { within: '7d' })).toEqual(['b', 'a']);
  });

  it.each([
    ['pinned', { pinned: true }, 'pinned'],
    [
      'on-demand and young',
      { reason: 'on-demand', takenAt: new Date(NOW.getTime() - 29 * DAY) },
      'on-demand, kept for 30 days',
    ],
    ['safety and young', { reason: 'safety', takenAt: new Date(NOW.getTime() - 13 * DAY) }, 'safety, kept for 14 days'],
    [
      'safety, young and refused',
      { reason: 'safety', verdict: 'refused', takenAt: new Date(NOW.getTime() - 13 * DAY) },
      'safety, kept for 14 days',
    ],
    [
      'safety, of a restore that has not ended',
      { reason: 'safety', unendedOperation: 'restore-1' },
      'safety, and restore-1 has not ended',
    ],
    ['final', { reason: 'final' }, 'final, deleted by hand only'],
    ['imported', { reason: 'imported' }, 'imported, deleted by hand only'],
    ['refused a day ago', { verdict: 'refused', takenAt: new Date(NOW.getTime() - DAY) }, 'refused, to be looked at'],
    ['from the future', { takenAt: new Date(NOW.getTime() + DAY) }, 'taken in the future'],
    [
      'locked',
      { lock: { until: new Date('2026-12-24T00:00:00Z'), legalHold: false } },
      'locked until 2026-12-24T00:00:00.000Z',
    ],
    ['under a legal hold', { lock: { until: undefined, legalHold: true } }, 'under a legal hold'],
    [
      'locked and held',
      { lock: { until: new Date('2026-12-24T00:00:00Z'), legalHold: true } },
      'under a legal hold and locked until 2026-12-24T00:00:00.000Z',
    ],
    ["another policy's", { policy: 'monthly' }, 'policy monthly decides on it'],
  ] as const)('keeps a point that is %s', (_, more, reason) => {
    const points = [point('a', '2026-01-01T00:00:00Z', more), point('b', '2026-11-20T00:00:00Z')];
    const found = decide(points, { last: 1 }).find(({ id }) => id === 'a');
    expect(found).toMatchObject({ action: 'keep', reasons: expect.arrayContaining([reason]) });
  });

  it.each([
    ['from the future', { takenAt: new Date(NOW.getTime() + DAY), isFromFuture: true }],
    ['ahead of our clock by a little', { takenAt: new Date(NOW.getTime() + 60_000) }],
    ['of a clock that was ahead, when its time has come', { isFromFuture: true }],
    ['that a restore put aside', { reason: 'safety' }],
  ] as const)('lets a point %s take no other point’s place', (_, more) => {
    const points = [
      point('a', '2026-11-18T00:00:00Z'),
      point('b', '2026-11-19T00:00:00Z'),
      point('c', '2026-11-20T00:00:00Z', more),
    ];
    expect(kept(points, { last: 2 })).toEqual(['c', 'b', 'a']);
    expect(kept(points, { last: 1, minimumVerified: 2 })).toEqual(['c', 'b', 'a']);
  });

  it('prunes points of a clock that was ahead among themselves, once their time has come', () => {
    const points = [1, 2, 3].map((day) => point(String(day), `2026-11-1${day}T00:00:00Z`, { isFromFuture: true }));
    expect(kept([...points, point('right', '2026-01-01T00:00:00Z')], { last: 1 })).toEqual(['3', 'right']);
  });

  it('keeps nothing that cannot be restored from for longer than three days', () => {
    const points = [point('a', '2026-11-16T00:00:00Z', { verdict: 'refused' }), point('b', '2026-11-20T00:00:00Z')];
    expect(decide(points, { last: 5 })[1]).toMatchObject({
      id: 'a',
      action: 'delete',
      reasons: [expect.stringMatching(/^refused/)],
    });
  });

  it.each(['verified', 'stored', 'refused'] as const)('deletes a %s safety point after its grace time', (verdict) => {
    const points = [
      point('a', '2026-11-05T11:00:00Z', { reason: 'safety', policy: null, verdict }),
      point('b', '2026-11-20T00:00:00Z'),
    ];
    expect(decide(points, { last: 5 })[1]).toMatchObject({
      id: 'a',
      action: 'delete',
      reasons: ['safety, and its grace time is over'],
    });
    expect(decide(points, { last: 5 }, NOW, 1000, 16)[1]).toMatchObject({
      id: 'a',
      action: 'keep',
      reasons: ['safety, kept for 16 days'],
    });
  });

  it("does not let another policy's points use up its rules", () => {
    const points = [
      point('a', '2026-11-18T00:00:00Z'),
      point('b', '2026-11-19T00:00:00Z', { policy: 'hourly' }),
      point('c', '2026-11-20T00:00:00Z', { policy: 'hourly' }),
    ];
    expect(kept(points, { last: 1 })).toEqual(['c', 'b', 'a']);
    expect(decide(points, { last: 1 })[2]?.reasons).toContain('last a');
  });

  it('keeps the newest when nothing is verified, however old it is', () => {
    const points = ['a', 'b'].map((id, day) => point(id, `2026-01-0${day + 1}T00:00:00Z`, { verdict: 'stored' }));
    expect(decide(points, { last: 1 })).toMatchObject([
      { id: 'b', action: 'keep', reasons: ['newest'] },
      { id: 'a', action: 'delete' },
    ]);
  });

  it('takes points of another control plane of the same name as a group of their own', () => {
    const points = [
      point('a', '2026-01-01T00:00:00Z', { controlPlaneUid: 'former' }),
      point('b', '2026-11-20T00:00:00Z'),
    ];
    expect(kept(points, { last: 1 })).toEqual(['b', 'a']);
  });

  it('deletes no more than the cap allows, the oldest first', () => {
    const points = ['a', 'b', 'c', 'd'].map((id, day) => point(id, `2026-11-1${day}T00:00:00Z`));
    expect(decide(points, { last: 1 }, NOW, 2).map(({ action }) => action)).toEqual([
      'keep',
      'later',
      'delete',
      'delete',
    ]);
  });
});

const arbitraryPoints = fc
  .array(
    fc.record({
      hour: fc.integer({ min: -24 * 900, max: 48 }),
      controlPlaneUid: fc.constantFrom('uid', 'uid', 'uid', 'other'),
      reason: fc.constantFrom('scheduled', 'scheduled', 'scheduled', 'on-demand', 'safety', 'final', 'imported'),
      verdict: fc.constantFrom('verified', 'verified', 'verified', 'stored', 'refused'),
      pinned: fc.constantFrom(false, false, false, true),
      policy: fc.constantFrom('nightly', 'nightly', 'nightly', 'weekly', null),
      lock: fc.constantFrom(undefined, undefined, undefined, {
        until: new Date(NOW.getTime() + DAY),
        legalHold: false,
      }),
      unendedOperation: fc.constantFrom(undefined, undefined, undefined, 'restore-1'),
      isFromFuture: fc.constantFrom(false, false, false, true),
    }),
    { maxLength: 60 },
  )
  .map((drawn) =>
    drawn.map(({ hour, ...rest }, index): RetainedPoint => ({
      id: `p${index}`,
      takenAt: new Date(NOW.getTime() + hour * 3_600_000),
      ...rest,
    })),
  );
const count = fc.option(fc.integer({ min: 1, max: 10 }), { nil: undefined });
const arbitraryRules = fc
  .record({ last: count, hourly: count, daily: count, weekly: count, monthly: count, yearly: count })
  .chain((counts) =>
    fc
      .record({
        within: fc.constantFrom(undefined, '1d', '7d', '30d'),
        minimumVerified: fc.integer({ min: 1, max: 5 }),
      })
      .map((others): RetentionRules =>
        rules(Object.fromEntries(Object.entries({ last: 1, ...withoutAbsent(counts), ...withoutAbsent(others) }))),
      ),
  );

function withoutAbsent(fields: object): object {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

function keptIds(points: readonly RetainedPoint[], given: RetentionRules, now = NOW): Set<string> {
  return idsOf(points, given, ['keep'], now);
}

function idsOf(
  points: readonly RetainedPoint[],
  given: RetentionRules,
  actions: readonly string[],
  now = NOW,
): Set<string> {
  return new Set(
    decide(points, given, now)
      .filter(({ action }) => actions.includes(action))
      .map(({ id }) => id),
  );
}

/** By how much a clock is wrong. */
const years = fc.integer({ min: -50, max: 50 });

describe('retention, whatever the points and rules', () => {
  const check = <T>(arbitrary: fc.Arbitrary<T>, property: (value: T) => void) => {
    fc.assert(fc.property(arbitrary, property), { seed, numRuns: 300 });
  };

  it('deletes nothing more when a rule is added or raised', () => {
    const rule = fc.constantFrom('last', 'hourly', 'daily', 'weekly', 'monthly', 'yearly', 'minimumVerified' as const);
    const more = fc.oneof(
      fc.tuple(rule, fc.integer({ min: 1, max: 10 })).map(([name, by]) => (given: RetentionRules): RetentionRules => ({
        ...given,
        [name]: (given[name as 'last'] ?? 0) + by,
      })),
      // Days on top of those that are given, which may be none.
      fc.integer({ min: 1, max: 100 }).map((days) => (given: RetentionRules): RetentionRules => ({
        ...given,
        within: `${given.within ?? ''}${days}d`,
      })),
    );
    check(fc.tuple(arbitraryPoints, arbitraryRules, more, fc.nat(60)), ([points, given, raise, cap]) => {
      const [before, after] = [given, raise(given)].map((set) => ({
        doomed: idsOf(points, set, ['delete', 'later']),
        capped: decide(points, set, NOW, cap).filter(({ action }) => action === 'delete'),
      }));
      expect([...(after?.doomed ?? [])].filter((id) => before?.doomed.has(id) !== true)).toEqual([]);
      expect(after?.capped.length).toBeLessThanOrEqual(before?.capped.length ?? 0);
    });
  });

  it('changes nothing when it runs again on what it has left', () => {
    check(fc.tuple(arbitraryPoints, arbitraryRules), ([points, given]) => {
      const first = keptIds(points, given);
      const left = points.filter(({ id }) => first.has(id));
      expect(keptIds(left, given)).toEqual(first);
    });
  });

  it('ends at the same points when it may delete only a few in each run', () => {
    check(fc.tuple(arbitraryPoints, arbitraryRules, fc.integer({ min: 1, max: 5 })), ([points, given, cap]) => {
      let left = points;
      for (;;) {
        const deleted = new Set(
          decide(left, given, NOW, cap)
            .filter(({ action }) => action === 'delete')
            .map(({ id }) => id),
        );
        expect(deleted.size).toBeLessThanOrEqual(cap);
        if (deleted.size === 0) break;
        left = left.filter(({ id }) => !deleted.has(id));
      }
      expect(new Set(left.map(({ id }) => id))).toEqual(keptIds(points, given));
    });
  });

  it('never deletes what is pinned, locked or taken by another policy', () => {
    check(fc.tuple(arbitraryPoints, arbitraryRules, years), ([points, given, wrong]) => {
      const ids = keptIds(points, given, new Date(NOW.getTime() + wrong * 365 * DAY));
      const untouchable = points.filter(
        ({ pinned, lock, policy }) => pinned || lock !== undefined || policy === 'weekly',
      );
      expect(untouchable.filter(({ id }) => !ids.has(id))).toEqual([]);
    });
  });

  it('deletes no safety point in its grace time, nor one whose operation has not ended', () => {
    const days = fc.integer({ min: 1, max: 400 });
    check(fc.tuple(arbitraryPoints, arbitraryRules, days), ([points, given, safetyGraceDays]) => {
      const doomed = new Set(
        decide(points, given, NOW, 1000, safetyGraceDays)
          .filter(({ action }) => action !== 'keep')
          .map(({ id }) => id),
      );
      const protectedOnes = points.filter(
        ({ reason, takenAt, unendedOperation }) =>
          reason === 'safety' &&
          (unendedOperation !== undefined || takenAt.getTime() > NOW.getTime() - safetyGraceDays * DAY),
      );
      expect(protectedOnes.filter(({ id }) => doomed.has(id))).toEqual([]);
    });
  });

  it('deletes every safety point in the end, unless something else than its reason keeps it', () => {
    check(fc.tuple(arbitraryPoints, arbitraryRules), ([points, given]) => {
      const muchLater = new Date(NOW.getTime() + 1000 * DAY);
      const kept = decide(points, given, muchLater).filter(({ action }) => action === 'keep');
      const safety = new Set(
        points.flatMap(({ id, reason, unendedOperation }) =>
          reason === 'safety' && unendedOperation === undefined ? [id] : [],
        ),
      );
      const byReason = kept.filter(
        ({ id, reasons }) => safety.has(id) && reasons.some((why) => why.includes('safety')),
      );
      expect(byReason).toEqual([]);
      // A point that is kept as if it were of a schedule would take the place of one that is.
      const byRule = /^(?:last|hourly|daily|weekly|monthly|yearly|within)/;
      expect(kept.filter(({ id, reasons }) => safety.has(id) && reasons.some((why) => byRule.test(why)))).toEqual([]);
    });
  });

  it('keeps the newest, the newest verified and the floor of verified ones, however wrong the clock is', () => {
    check(fc.tuple(arbitraryPoints, arbitraryRules, years), ([points, given, wrong]) => {
      const ids = keptIds(points, given, new Date(NOW.getTime() + wrong * 365 * DAY));
      const groupOf = ({ controlPlaneUid, isFromFuture }: RetainedPoint) => `${controlPlaneUid} ${isFromFuture}`;
      for (const group of Map.groupBy(points, groupOf).values()) {
        const verified = group.filter(({ verdict }) => verdict === 'verified');
        for (const some of [group, verified]) {
          const newest = Math.max(...some.map(({ takenAt }) => takenAt.getTime()));
          // Of several of the very same time any may be the one.
          const latest = some.filter(({ takenAt }) => takenAt.getTime() === newest);
          expect(latest.length === 0 || latest.some(({ id }) => ids.has(id))).toBe(true);
        }
        const backups = verified.filter(({ reason }) => reason !== 'safety');
        const left = backups.filter(({ id }) => ids.has(id)).length;
        expect(left).toBeGreaterThanOrEqual(Math.min(given.minimumVerified, backups.length));
      }
    });
  });

  it('does not mind the order in which points are listed, and gives each a reason', () => {
    check(fc.tuple(arbitraryPoints, arbitraryRules), ([points, given]) => {
      const decisions = decide(points, given);
      expect(decide(points.toReversed(), given)).toEqual(decisions);
      expect(decisions.every(({ reasons }) => reasons.length > 0)).toBe(true);
    });
  });
});
