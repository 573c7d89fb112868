import { describe, expect, it } from '@jest/globals';
import { parseDuration } from '../../../lambdas/domain/duration.ts';
import {
  isObjectiveBeyondSchedule,
  objectiveMilliseconds,
  policySchema,
  schedulesOf,
  selects,
  type Selector,
} from '../../../lambdas/domain/policy.ts';
import { parseSlot, runId } from '../../../lambdas/domain/policy-run.ts';

const LEAST = { schedule: '@daily', retention: { last: 3 } };

describe('a policy', () => {
  it('needs a schedule and one retention rule; all else has a default', () => {
    expect(policySchema.parse(LEAST)).toEqual({
      select: {},
      schedule: '@daily',
      flexibleWindowMinutes: 0,
      retention: { last: 3, minimumVerified: 3 },
      verification: 'live',
    });
  });

  it.each([
    ['no retention rule', { ...LEAST, retention: { minimumVerified: 5 } }, /at least one of last, hourly/],
    ['a rule of zero', { ...LEAST, retention: { last: 0 } }, /expected number to be >0/],
    ['an unknown key', { ...LEAST, retain: 3 }, /Unrecognized key/],
    ['a schedule with seconds', { ...LEAST, schedule: '0 0 3 * * *' }, /does not have five fields.*seconds out/],
    ['a schedule that never fires', { ...LEAST, schedule: '0 3 31 2 *' }, /never fires: no month.*29 February/],
    ['an unknown macro', { ...LEAST, schedule: '@reboot' }, /no schedule.*@hourly/],
    ['an unknown time zone', { ...LEAST, timeZone: 'Europe/Atlantis' }, /no time zone.*IANA/],
    ['two time zones', { ...LEAST, schedule: 'TZ=UTC @daily', timeZone: 'Asia/Tokyo' }, /in UTC, but.*Asia\/Tokyo/],
    ['a window of more than a day', { ...LEAST, flexibleWindowMinutes: 1441 }, /<=1440/],
    ['a window that is negative', { ...LEAST, flexibleWindowMinutes: -1 }, />=0/],
    ['a duration without a unit', { ...LEAST, objective: '26' }, /duration/],
    ['a selector that matches nothing', { ...LEAST, select: { names: [] } }, /names/],
    ['an unknown platform', { ...LEAST, select: { platforms: ['nomad'] } }, /hypershift/],
  ])('with %s is refused', (_, policy, expected) => {
    expect(policySchema.safeParse(policy).error?.message).toMatch(expected);
  });

  it('is told once what is wrong with its schedule, and at the field that is wrong', () => {
    const pathsOf = (policy: object) => policySchema.safeParse(policy).error?.issues.map(({ path }) => path.join('.'));
    expect(pathsOf({ ...LEAST, schedule: '@never' })).toEqual(['schedule']);
    expect(pathsOf({ ...LEAST, timeZone: 'Europe/Atlantis' })).toEqual(['timeZone']);
    expect(pathsOf({ ...LEAST, schedule: 'TZ=UTC @daily', timeZone: 'Asia/Tokyo' })).toEqual(['schedule']);
  });

  it('starts by one expression of EventBridge Scheduler, or two', () => {
    const startsBy = (schedule: object) => schedulesOf(policySchema.parse({ ...LEAST, ...schedule }));
    expect(startsBy({ schedule: '@every 90m' })).toEqual([{ expression: 'rate(90 minutes)', timeZone: 'UTC' }]);
    expect(startsBy({ schedule: '0 3 1 * mon', timeZone: 'Europe/Berlin' })).toEqual([
      { expression: 'cron(0 3 1 * ? *)', timeZone: 'Europe/Berlin' },
      { expression: 'cron(0 3 ? * MON *)', timeZone: 'Europe/Berlin' },
    ]);
  });
});

describe('the objective of a policy', () => {
  const HOUR_MILLISECONDS = 3_600_000;
  const policyOf = (fields: object) => policySchema.parse({ ...LEAST, ...fields });

  it.each([
    ['@hourly', 26],
    ['0 3 * * *', 26],
    ['TZ=Europe/Berlin 0 3 * * *', 26],
    ['@every 3d', 74],
    ['@weekly', 7 * 24 + 2],
    ['0 1,5 * * mon-fri', 2 * 24 + 20 + 2],
    ['0 0 1 * *', 31 * 24 + 2],
    ['0 0 1 * mon', 7 * 24 + 2],
    ['0 0 31 * *', 61 * 24 + 2],
    ['0 0 29 2 *', 1461 * 24 + 2],
    ['0 0 * 1 mon', 49 * 7 * 24 + 2],
  ])('is by default what its schedule %s can keep: %i hours', (schedule, hours) => {
    const policy = policyOf({ schedule });
    expect(objectiveMilliseconds(policy) / HOUR_MILLISECONDS).toBe(hours);
    expect(isObjectiveBeyondSchedule(policy)).toBe(false);
  });

  it('counts the window in which runs start, and can be given', () => {
    const flexible = policyOf({ flexibleWindowMinutes: 600 });
    expect(objectiveMilliseconds(flexible)).toBe(36 * HOUR_MILLISECONDS);
    expect(objectiveMilliseconds(policyOf({ objective: '3h' }))).toBe(3 * HOUR_MILLISECONDS);
  });

  it('that its schedule can never keep is known, and refuses no configuration', () => {
    const weekdays = { schedule: '0 3 * * mon-fri' };
    expect(isObjectiveBeyondSchedule(policyOf({ ...weekdays, objective: '26h' }))).toBe(true);
    expect(isObjectiveBeyondSchedule(policyOf({ ...weekdays, objective: '3d' }))).toBe(false);
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
    const now = new Date('2026-01-02T03:05:00Z');
    const slots = ['2026-01-02T03:04:05Z', '2026-01-02T04:04:05.000+01:00'].map((text) => parseSlot(text, now));
    expect(slots.map((slot) => runId({ policy: 'nightly', slot }))).toEqual(Array(2).fill('nightly-20260102T030405Z'));
    expect(() => parseSlot('tomorrow', now)).toThrow(/"tomorrow" is not a time/);
  });

  it('has durations in weeks, days, hours and minutes', () => {
    expect(parseDuration('1h30m')).toBe(5_400_000);
    expect(parseDuration('2w')).toBe(14 * 86_400_000);
    expect(() => parseDuration('0h')).toThrow(/not a duration/);
  });
});
