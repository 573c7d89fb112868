import { describe, expect, it } from '@jest/globals';
import { CronExpressionParser } from 'cron-parser';
import { ConfigurationError } from '../../../lambdas/domain/errors.ts';
import { schedulerExpressions } from '../../../lambdas/domain/schedule.ts';
import { localTime } from './local-time.ts';
import { nextFirings } from './scheduler-reference.ts';

const expressionsOf = (schedule: string) => schedulerExpressions(schedule).map(({ expression }) => expression);

/** No range, no step: four numbers, then a gap. */
function mostNumbersTo(max: number): string {
  const numbers = Array.from({ length: max }, (_, index) => index + 1);
  return numbers.filter((number) => number % 5 !== 0).join(',');
}

describe('a schedule for EventBridge Scheduler', () => {
  it.each<[string, ...string[]]>([
    ['0 3 * * *', 'cron(0 3 * * ? *)'],
    ['*/15 8-18 * * MON-FRI', 'cron(0/15 8-18 ? * MON-FRI *)'],
    ['5/20 * * * *', 'cron(5/20 * * * ? *)'],
    ['0-30/7 * * * *', 'cron(0,7,14,21,28 * * * ? *)'],
    ['*/25 * * * *', 'cron(0/25 * * * ? *)'],
    ['0 22-2 * * *', 'cron(0 0,1,2,22,23 * * ? *)'],
    ['0 22-3/2 * * *', 'cron(0 0,2,22 * * ? *)'],
    ['0 0 28-2 nov-Feb *', 'cron(0 0 1,2,28,29,30,31 1,2,11,12 ? *)'],
    ['0 0 * * fri-mon', 'cron(0 0 ? * SUN,MON,FRI,SAT *)'],
    ['0 0 * * 0', 'cron(0 0 ? * SUN *)'],
    ['0 0 * * 7', 'cron(0 0 ? * SUN *)'],
    ['0 0 * * 5-7', 'cron(0 0 ? * SUN,FRI,SAT *)'],
    ['0 0 * * 7-2', 'cron(0 0 ? * SUN-TUE *)'],
    ['0 0 * * 5/2', 'cron(0 0 ? * SUN,FRI *)'],
    ['0 0 * * */2', 'cron(0 0 ? * SUN,TUE,THU,SAT *)'],
    ['5,5,1-5 * * * *', 'cron(1-5 * * * ? *)'],
    ['0 0 29 2 *', 'cron(0 0 29 2 ? *)'],
    ['0 0 30 2,3 *', 'cron(0 0 30 2,3 ? *)'],
    ['  @hourly ', 'cron(0 * * * ? *)'],
    ['@daily', 'cron(0 0 * * ? *)'],
    ['@midnight', 'cron(0 0 * * ? *)'],
    ['@weekly', 'cron(0 0 ? * SUN *)'],
    ['@monthly', 'cron(0 0 1 * ? *)'],
    ['@yearly', 'cron(0 0 1 1 ? *)'],
    ['@annually', 'cron(0 0 1 1 ? *)'],
    ['@every 1m', 'rate(1 minute)'],
    ['@every 1h30m', 'rate(90 minutes)'],
    ['@every 60m', 'rate(1 hour)'],
    ['@every 26h', 'rate(26 hours)'],
    ['@every 24h', 'rate(1 day)'],
    ['@every 2w', 'rate(14 days)'],
  ])('of %s is %s', (schedule, ...expected) => {
    expect(expressionsOf(schedule)).toEqual(expected);
  });

  it.each<[string, string, ...string[]]>([
    ['on either of two kinds of days', '0 0 1,15 * mon', 'cron(0 0 1,15 * ? *)', 'cron(0 0 ? * MON *)'],
    ['where a star with a step is restricted', '0 0 */2 * mon', 'cron(0 0 1/2 * ? *)', 'cron(0 0 ? * MON *)'],
    ['on all dates, with weekdays that add nothing', '0 0 1-31 * mon', 'cron(0 0 * * ? *)'],
    ['on all weekdays, with dates that add nothing', '0 0 5 * 0-6', 'cron(0 0 ? * * *)'],
    ['on weekdays, with dates that never come', '0 0 30 feb mon', 'cron(0 0 ? 2 MON *)'],
  ])('of cron with both kinds of days is %s', (_, schedule, ...expected) => {
    expect(expressionsOf(schedule)).toEqual(expected);
  });

  it('is in the time zone of its prefix, of the policy, or in UTC', () => {
    const zoneOf = (schedule: string, timeZone?: string) =>
      schedulerExpressions(schedule, timeZone).map((expression) => expression.timeZone);
    expect(zoneOf('0 0 1 * mon')).toEqual(['UTC', 'UTC']);
    expect(zoneOf('@daily', 'Europe/Berlin')).toEqual(['Europe/Berlin']);
    expect(zoneOf('TZ=Asia/Kolkata @every 6h')).toEqual(['Asia/Kolkata']);
    expect(zoneOf('CRON_TZ=Europe/Berlin 0 3 * * *', 'Europe/Berlin')).toEqual(['Europe/Berlin']);
  });

  it.each([
    ['0 0 31 2 *', /never fires: no month that it names has such a day/, /one of the months has/],
    ['0 0 31 4,6,9,11 *', /never fires/, /one of the months has/],
    ['0 0 0 3 * *', /does not have five fields/, /seconds out/],
    ['0 3 * *', /does not have five fields/, /"0 3 \* \* \*"/],
    ['', /does not have five fields/, /"0 3 \* \* \*"/],
    ['60 * * * *', /60 is no minute/, /0 to 59/],
    ['0 24 * * *', /24 is no hour/, /0 to 23/],
    ['0 0 0 * *', /0 is no day of month/, /1 to 31/],
    ['0 0 * 13 *', /13 is no month/, /1 to 12/],
    ['0 0 * * 8', /8 is no day of week/, /0 to 7/],
    ['*/0 * * * *', /"\*\/0" in the field minute steps by 0/, /1 or more/],
    ['*-5 * * * *', /"\*-5" in the field minute/, /ranges \(a-b\)/],
    ['1,,2 * * * *', /"" in the field minute/, /commas/],
    ['0 0 * january *', /"january" in the field month/, /jan-dec/],
    ['0 mon * * *', /"mon" in the field hour/, /0 to 23/],
    ['0 0 L * *', /"L" in the field day of month/, /other dialects/],
    ['0 0 ? * mon', /"\?" in the field day of month/, /other dialects/],
    ['0 0 * * mon#2', /"mon#2" in the field day of week/, /sun-sat/],
    ['@reboot', /"@reboot" is no schedule/, /@hourly.*@annually/],
    ['@every', /"@every" is no schedule/, /@every 6h/],
    ['@every 90s', /"@every 90s" is no interval of whole minutes/, /@every 90m/],
    ['@every 0m', /no interval of whole minutes, of one or more/, /@every 90m/],
    ['TZ=Europe/Atlantis @daily', /"Europe\/Atlantis" is no time zone/, /IANA/],
    ['TZ=europe/berlin @daily', /"europe\/berlin" is no time zone/, /Write Europe\/Berlin/],
    ['TZ=+01:00 @daily', /"\+01:00" is no time zone/, /IANA/],
    [
      [59, 23, 31, 12].map(mostNumbersTo).join(' ').concat(' *'),
      /takes 2\d\d characters for EventBridge Scheduler, which allows 256/,
      /fewer values/,
    ],
  ])('of %s is refused with the reason and a remedy', (schedule, reason, remedy) => {
    let refusal: unknown;
    try {
      schedulerExpressions(schedule);
    } catch (error) {
      refusal = error;
    }
    expect(refusal).toBeInstanceOf(ConfigurationError);
    expect((refusal as ConfigurationError).message).toMatch(reason);
    expect((refusal as ConfigurationError).remedy).toMatch(remedy);
  });
});

describe('when clocks change', () => {
  const minutes = (zone: string, instants: readonly number[]) =>
    instants.map((instant) => new Date(localTime(zone, instant)).toISOString().slice(5, 16));
  const onEventBridge = (schedule: string, zone: string, after: string, count: number) =>
    minutes(zone, nextFirings(schedulerExpressions(schedule, zone), Date.parse(after), count));
  const inCronParser = (schedule: string, zone: string, after: string, count: number) => {
    const dates = CronExpressionParser.parse(schedule, { tz: zone, currentDate: new Date(after) }).take(count);
    return minutes(
      zone,
      dates.map((date) => date.getTime()),
    );
  };

  it('EventBridge skips what falls into the hour that is missing, where cron-parser comes an hour later', () => {
    const night = ['30 2 * * *', 'Europe/Berlin', '2026-03-28T12:00:00Z', 2] as const;
    expect(onEventBridge(...night)).toEqual(['03-30T02:30', '03-31T02:30']);
    expect(inCronParser(...night)).toEqual(['03-29T03:30', '03-30T02:30']);
  });

  it('both fire once in the hour that comes twice', () => {
    const night = ['30 1 * * *', 'America/New_York', '2026-10-31T12:00:00Z', 2] as const;
    expect(onEventBridge(...night)).toEqual(['11-01T01:30', '11-02T01:30']);
    expect(inCronParser(...night)).toEqual(['11-01T01:30', '11-02T01:30']);
  });

  it('EventBridge passes over the second of two equal hours when every hour is scheduled, cron-parser does not', () => {
    const night = ['0 * * * *', 'America/New_York', '2026-11-01T04:30:00Z', 3] as const;
    expect(onEventBridge(...night)).toEqual(['11-01T01:00', '11-01T02:00', '11-01T03:00']);
    expect(inCronParser(...night)).toEqual(['11-01T01:00', '11-01T01:00', '11-01T02:00']);
  });

  it('by half an hour, cron-parser loses times that exist and even its way, the translation does not', () => {
    const forward = ['*/20 * * * *', 'Australia/Lord_Howe', '2026-10-03T15:15:00Z', 3] as const;
    expect(onEventBridge(...forward)).toEqual(['10-04T02:40', '10-04T03:00', '10-04T03:20']);
    expect(inCronParser(...forward)).toEqual(['10-04T03:00', '10-04T03:20', '10-04T03:40']);
    const back = ['15 1 * * *', 'Australia/Lord_Howe', '2026-04-04T12:00:00Z', 2] as const;
    expect(onEventBridge(...back)).toEqual(['04-05T01:15', '04-06T01:15']);
    expect(inCronParser(...back)).toEqual(['04-05T01:15']);
  });
});
