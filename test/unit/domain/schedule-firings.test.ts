import { describe, expect, it } from '@jest/globals';
import { CronExpressionParser } from 'cron-parser';
import fc from 'fast-check';
import { schedulerExpressions } from '../../../lambdas/domain/schedule.ts';
import { seed } from '../../suite/seed.ts';
import { clockChanges, localTime, type ClockChange } from './local-time.ts';
import { firingsWithin, matches, nextFirings } from './scheduler-reference.ts';
import { anySchedule, type TwoSpellings } from './unix-schedules.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
/** So many hours before and after a change of the clocks are looked at minute by minute. */
const AROUND = 3 * HOUR;
const FROM = Date.UTC(2026, 0, 1);
/** The rarest schedules, of 29 February, take 80 years for their firings. */
const TO = Date.UTC(2120, 0, 1);
const FIRINGS = 24;

/** At midnight (Cairo), at two or three (Berlin, New York), by half an hour (Lord Howe), never (UTC). */
const WHOLE_HOUR_ZONES = ['Europe/Berlin', 'America/New_York', 'Africa/Cairo', 'UTC'];
const HALF_HOUR_ZONE = 'Australia/Lord_Howe';
const CHANGES = new Map([...WHOLE_HOUR_ZONES, HALF_HOUR_ZONE].map((zone) => [zone, clockChanges(zone, FROM, TO)]));
const changesOf = (zone: string) => CHANGES.get(zone) ?? [];

/** Two starts in one year, each some hours before a change of the clocks: one change forward, one back. */
const anyStarts = (zone: string) =>
  fc
    .tuple(fc.integer({ min: 0, max: 8 }), fc.array(fc.integer({ min: 4, max: 90 }), { minLength: 2, maxLength: 2 }))
    .map(([nth, hours]) =>
      hours.map((before, index) => (changesOf(zone)[nth + index]?.at ?? FROM + nth * 1000 * HOUR) - before * HOUR),
    );

const inZones = (zones: readonly string[]) =>
  fc.constantFrom(...zones).chain((zone) => fc.record({ zone: fc.constant(zone), starts: anyStarts(zone) }));

/** Passes over what is refused for a reason, which other tests ask for. */
function translated(schedule: TwoSpellings, zone: string) {
  try {
    return schedulerExpressions(schedule.text, zone);
  } catch (error) {
    fc.pre(!/never fires|allows 256/.test((error as Error).message));
    throw error;
  }
}

const cronParser = (schedule: TwoSpellings, zone: string, after: number, until?: number) =>
  CronExpressionParser.parse(schedule.cronParser, {
    tz: zone,
    currentDate: new Date(after),
    ...(until !== undefined && { endDate: new Date(until) }),
  });

/** What cron-parser adds at a change of whole hours; the docstring of schedulerExpressions says the same in words. */
function cronParserAdds(
  expressions: readonly { readonly expression: string }[],
  everyHour: boolean,
  zone: string,
  { at, shift }: ClockChange,
): number[] {
  const minutes = Array.from({ length: Math.abs(shift) / MINUTE }, (_, index) => at + index * MINUTE);
  const matching = (local: number) => expressions.some(({ expression }) => matches(expression, local));
  // Forward: what fell into the skipped hour comes an hour later by the clock. Back: the second of two equal times.
  if (shift > 0) return everyHour ? [] : minutes.filter((minute) => matching(localTime(zone, minute) - shift));
  return everyHour ? minutes.filter((minute) => matching(localTime(zone, minute))) : [];
}

const ascending = (instants: Iterable<number>) => [...new Set(instants)].sort((a, b) => a - b);
const readable = (instants: readonly number[]) => instants.map((instant) => new Date(instant).toISOString());

describe('the translation of a schedule', () => {
  it('fires when cron-parser does, but for what cron-parser adds at changes of the clocks', () => {
    fc.assert(
      fc.property(anySchedule, inZones(WHOLE_HOUR_ZONES), (schedule, { zone, starts }) => {
        const expressions = translated(schedule, zone);
        for (const start of starts) {
          const ours = nextFirings(expressions, start, FIRINGS);
          const last = ours.at(-1) ?? start;
          const oracle = cronParser(schedule, zone, start);
          const everyHour = oracle.fields.hour.values.length === 24;
          const added = changesOf(zone)
            .filter(({ at }) => at > start && at <= last)
            .flatMap((change) => cronParserAdds(expressions, everyHour, zone, change));
          const expected = ascending([...ours, ...added]).slice(0, FIRINGS);
          expect(readable(oracle.take(FIRINGS).map((date) => date.getTime()))).toEqual(readable(expected));
        }
      }),
      { seed, numRuns: 80 },
    );
  });

  it('fires when cron-parser does on both sides of a change by half an hour', () => {
    fc.assert(
      fc.property(anySchedule, inZones([HALF_HOUR_ZONE]), (schedule, { zone, starts }) => {
        const expressions = translated(schedule, zone);
        for (const start of starts) {
          const ours = nextFirings(expressions, start, FIRINGS);
          const last = ours.at(-1) ?? start;
          const changes = changesOf(zone).filter(({ at }) => at + AROUND > start && at - AROUND < last);
          const begins = [start, ...changes.map(({ at }) => at + AROUND)];
          const ends = [...changes.map(({ at }) => at - AROUND), last];
          for (const [index, begin] of begins.entries()) {
            const end = ends[index] ?? last;
            if (end <= begin) continue;
            const expected = ours.filter((instant) => instant > begin && instant <= end);
            const seen = cronParser(schedule, zone, begin, end).take(FIRINGS);
            expect(readable(seen.map((date) => date.getTime()))).toEqual(readable(expected));
          }
        }
      }),
      { seed, numRuns: 30 },
    );
  });

  it('fires once at every time that the clocks show around a change and that cron-parser counts in', () => {
    fc.assert(
      fc.property(anySchedule, inZones([...WHOLE_HOUR_ZONES, HALF_HOUR_ZONE]), (schedule, { zone, starts }) => {
        const expressions = translated(schedule, zone);
        const [{ at } = { at: FROM }] = changesOf(zone).filter((change) => change.at > (starts[0] ?? FROM));
        const begin = at - AROUND;
        const ours = firingsWithin(expressions, begin, at + AROUND);
        const oracle = cronParser(schedule, zone, begin);
        const shown = new Set<number>();
        const expected: number[] = [];
        for (let instant = begin + MINUTE; instant <= at + AROUND; instant += MINUTE) {
          const local = localTime(zone, instant);
          if (!shown.has(local) && includes(oracle, local, instant)) expected.push(instant);
          shown.add(local);
        }
        expect(readable(ours)).toEqual(readable(expected));
      }),
      { seed, numRuns: 80 },
    );
  });
});

/** Asks cron-parser only about the minutes of its own fields, for it takes its time. */
function includes(oracle: ReturnType<typeof cronParser>, local: number, instant: number): boolean {
  const { hour, minute } = oracle.fields;
  const time = new Date(local);
  return (
    (minute.values as readonly number[]).includes(time.getUTCMinutes()) &&
    (hour.values as readonly number[]).includes(time.getUTCHours()) &&
    oracle.includesDate(new Date(instant))
  );
}
