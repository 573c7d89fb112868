import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { retentionRulesSchema, type RetentionRules } from '../../../lambdas/domain/policy.ts';
import { decideRetention, type RetainedPoint } from '../../../lambdas/domain/retention.ts';
import { seed } from '../../suite/seed.ts';

const NOW = new Date('2026-11-20T12:00:00Z');
const DAY = 24 * 3_600_000;

function point(id: string, takenAt: string, more: Partial<RetainedPoint> = {}): RetainedPoint {
  const usual = { controlPlaneUid: 'uid', reason: 'scheduled', verdict: 'verified', pinned: false } as const;
  return { id, takenAt: new Date(takenAt), ...usual, ...more };
}

function rules(given: Partial<RetentionRules>): RetentionRules {
  return retentionRulesSchema.parse({ minimumVerified: 1, ...given });
}

function decide(points: readonly RetainedPoint[], given: Partial<RetentionRules>, now = NOW, deletionCap = 1000) {
  return decideRetention(points, rules(given), { now, deletionCap });
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
    ['final', { reason: 'final' }, 'final, deleted by hand only'],
    ['imported', { reason: 'imported' }, 'imported, deleted by hand only'],
    ['refused a day ago', { verdict: 'refused', takenAt: new Date(NOW.getTime() - DAY) }, 'refused, to be looked at'],
    ['from the future', { takenAt: new Date(NOW.getTime() + DAY) }, 'taken in the future'],
  ] as const)('keeps a point that is %s', (_, more, reason) => {
    const points = [point('a', '2026-01-01T00:00:00Z', more), point('b', '2026-11-20T00:00:00Z')];
    const found = decide(points, { last: 1 }).find(({ id }) => id === 'a');
    expect(found).toMatchObject({ action: 'keep', reasons: expect.arrayContaining([reason]) });
  });

  it('keeps nothing that cannot be restored from for longer than three days', () => {
    const points = [point('a', '2026-11-16T00:00:00Z', { verdict: 'refused' }), point('b', '2026-11-20T00:00:00Z')];
    expect(decide(points, { last: 5 })[1]).toMatchObject({
      id: 'a',
      action: 'delete',
      reasons: [expect.stringMatching(/^refused/)],
    });
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
  return new Set(kept(points, given, now));
}

describe('retention, whatever the points and rules', () => {
  const check = <T>(arbitrary: fc.Arbitrary<T>, property: (value: T) => void) => {
    fc.assert(fc.property(arbitrary, property), { seed, numRuns: 300 });
  };

  it('deletes nothing more when a rule is added or raised', () => {
    const rule = fc.constantFrom('last', 'hourly', 'daily', 'weekly', 'monthly', 'yearly', 'minimumVerified' as const);
    check(
      fc.tuple(arbitraryPoints, arbitraryRules, rule, fc.integer({ min: 1, max: 10 })),
      ([points, given, name, more]) => {
        const raised = { ...given, [name]: (given[name as 'last'] ?? 0) + more };
        const before = keptIds(points, given);
        expect([...before].filter((id) => !keptIds(points, raised).has(id))).toEqual([]);
      },
    );
  });

  it('changes nothing when it runs again on what it has left', () => {
    check(fc.tuple(arbitraryPoints, arbitraryRules), ([points, given]) => {
      const first = keptIds(points, given);
      const left = points.filter(({ id }) => first.has(id));
      expect(keptIds(left, given)).toEqual(first);
    });
  });

  it('keeps the newest verified point and the floor of verified ones, however wrong the clock is', () => {
    const years = fc.integer({ min: -50, max: 50 });
    check(fc.tuple(arbitraryPoints, arbitraryRules, years), ([points, given, wrong]) => {
      const now = new Date(NOW.getTime() + wrong * 365 * DAY);
      const ids = keptIds(points, given, now);
      for (const group of Map.groupBy(points, ({ controlPlaneUid }) => controlPlaneUid).values()) {
        const verified = group.filter(({ verdict }) => verdict === 'verified');
        const newest = verified
          .filter(({ takenAt }) => takenAt <= now)
          .sort((a, b) => b.takenAt.getTime() - a.takenAt.getTime());
        const latest = newest.filter(({ takenAt }) => takenAt.getTime() === newest[0]?.takenAt.getTime());
        if (latest.length > 0) expect(latest.some(({ id }) => ids.has(id))).toBe(true);
        const left = verified.filter(({ id }) => ids.has(id)).length;
        expect(left).toBeGreaterThanOrEqual(Math.min(given.minimumVerified, verified.length));
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
