import { describe, expect, it } from '@jest/globals';
import { parseDuration } from '../../../lambdas/domain/duration.ts';
import { policySchema, selects, type Selector } from '../../../lambdas/domain/policy.ts';
import { parseSlot, runId } from '../../../lambdas/domain/policy-run.ts';

const LEAST = { schedule: '@daily', retention: { last: 3 } };

describe('a policy', () => {
  it('needs a schedule and one retention rule; all else has a default', () => {
    expect(policySchema.parse(LEAST)).toEqual({
      select: {},
      schedule: '@daily',
      retention: { last: 3, minimumVerified: 3 },
      verification: 'live',
      objective: '26h',
    });
  });

  it.each([
    ['no retention rule', { ...LEAST, retention: { minimumVerified: 5 } }, /at least one of last, hourly/],
    ['a rule of zero', { ...LEAST, retention: { last: 0 } }, /expected number to be >0/],
    ['an unknown key', { ...LEAST, retain: 3 }, /Unrecognized key/],
    ['a schedule with seconds', { ...LEAST, schedule: '0 0 3 * * *' }, /five fields/],
    ['a schedule that never fires', { ...LEAST, schedule: '0 3 31 2 *' }, /five fields/],
    ['an unknown macro', { ...LEAST, schedule: '@reboot' }, /five fields/],
    ['an unknown time zone', { ...LEAST, timeZone: 'Europe/Atlantis' }, /IANA/],
    ['a duration without a unit', { ...LEAST, objective: '26' }, /duration/],
    ['a selector that matches nothing', { ...LEAST, select: { names: [] } }, /names/],
    ['an unknown platform', { ...LEAST, select: { platforms: ['nomad'] } }, /hypershift/],
  ])('with %s is refused', (_, policy, expected) => {
    expect(policySchema.safeParse(policy).error?.message).toMatch(expected);
  });

  it.each(['0 3 * * *', '*/15 8-18 * * MON-FRI', '@hourly', '@every 90m'])('accepts the schedule %s', (schedule) => {
    expect(policySchema.parse({ ...LEAST, schedule }).schedule).toBe(schedule);
  });
});

describe('a selector', () => {
  const controlPlane = {
    platform: 'hypershift',
    name: { managementCluster: 'mgmt-a', namespace: 'clusters', name: 'prod.eu' },
    labels: { tier: 'gold', team: 'shop' },
  } as const;

  it.each<[string, Selector, boolean]>([
    ['nothing', {}, true],
    ['a pattern', { names: ['dev-*', 'prod*'] }, true],
    ['a dot that is no wildcard', { names: ['prodxeu'] }, false],
    ['a part of the name', { names: ['prod'] }, false],
    ['one field of two', { managementClusters: ['mgmt-a'], namespaces: ['other'] }, false],
    ['one label of two', { labels: { tier: 'gold' } }, true],
    ['another value of a label', { labels: { tier: 'gold', team: 'search' } }, false],
  ])('of %s selects as expected', (_, selector, expected) => {
    expect(selects(selector, controlPlane)).toBe(expected);
  });
});

describe('a run', () => {
  it('has the same name for the same slot, however that is written', () => {
    const slots = ['2026-01-02T03:04:05Z', '2026-01-02T04:04:05.000+01:00'].map(parseSlot);
    expect(slots.map((slot) => runId({ policy: 'nightly', slot }))).toEqual(Array(2).fill('nightly-20260102T030405Z'));
    expect(() => parseSlot('tomorrow')).toThrow(/"tomorrow" is not a time/);
  });

  it('has durations in weeks, days, hours and minutes', () => {
    expect(parseDuration('1h30m')).toBe(5_400_000);
    expect(parseDuration('2w')).toBe(14 * 86_400_000);
    expect(() => parseDuration('0h')).toThrow(/not a duration/);
  });
});
