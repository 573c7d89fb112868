import type { SchedulerExpression } from '../../../lambdas/domain/schedule.ts';
import { instantsOf, localTime } from './local-time.ts';

/**
 * EventBridge Scheduler's side of the comparison, written from its user guide ("Schedule types") and not from the
 * translation: what is not documented there is refused. A time that does not exist is skipped; one that comes twice
 * fires once, which is taken to be the first time.
 */

const MINUTE_MILLISECONDS = 60_000;
const HOUR_MILLISECONDS = 60 * MINUTE_MILLISECONDS;
const DAY_MILLISECONDS = 24 * HOUR_MILLISECONDS;
/** From one 29 February to the next over a year such as 2100. */
const LONGEST_WAIT_DAYS = 8 * 366;
const MONTHS = ['JAN', 'FEB', 'MAR', 'APR', 'MAY', 'JUN', 'JUL', 'AUG', 'SEP', 'OCT', 'NOV', 'DEC'];
const WEEKDAYS = ['SUN', 'MON', 'TUE', 'WED', 'THU', 'FRI', 'SAT'];

interface Fields {
  readonly minutes: readonly number[];
  readonly hours: readonly number[];
  readonly isDay: (year: number, month: number, day: number, weekday: number) => boolean;
}

/** Whether a local time, in milliseconds as if it were UTC, is one of `cron(...)`. */
export function matches(expression: string, local: number): boolean {
  const { minutes, hours, isDay } = parse(expression);
  const time = new Date(local);
  return minutes.includes(time.getUTCMinutes()) && hours.includes(time.getUTCHours()) && isDay(...dateOf(time));
}

/** The firings of several expressions together within a time, its end included; ascending, in milliseconds. */
export function firingsWithin(expressions: readonly SchedulerExpression[], after: number, until: number): number[] {
  return together(expressions, after, (instant) => instant <= until);
}

/** The first firings of several expressions together. */
export function nextFirings(expressions: readonly SchedulerExpression[], after: number, count: number): number[] {
  return together(expressions, after, (_, index) => index < count).slice(0, count);
}

function together(
  expressions: readonly SchedulerExpression[],
  after: number,
  goOn: (instant: number, index: number) => boolean,
): number[] {
  const instants = new Set<number>();
  for (const { expression, timeZone } of expressions) {
    let index = 0;
    for (const instant of firings(expression, timeZone, after)) {
      if (!goOn(instant, index)) break;
      instants.add(instant);
      index += 1;
    }
  }
  return [...instants].sort((a, b) => a - b);
}

function* firings(expression: string, zone: string, after: number): Generator<number> {
  const { minutes, hours, isDay } = parse(expression);
  // Clocks never go back by more, so that no later instant shows an earlier time.
  const earliest = localTime(zone, after) - 3 * HOUR_MILLISECONDS;
  let lastDay = Math.floor(earliest / DAY_MILLISECONDS);
  for (let day = lastDay; ; day += 1) {
    const midnight = day * DAY_MILLISECONDS;
    if (day > lastDay + LONGEST_WAIT_DAYS) throw new Error(`${expression} never fires`);
    if (!isDay(...dateOf(new Date(midnight)))) continue;
    lastDay = day;
    for (const hour of hours) {
      for (const minute of minutes) {
        const local = midnight + hour * HOUR_MILLISECONDS + minute * MINUTE_MILLISECONDS;
        if (local < earliest) continue;
        const [instant] = instantsOf(zone, local);
        if (instant !== undefined && instant > after) yield instant;
      }
    }
  }
}

function dateOf(time: Date): [year: number, month: number, day: number, weekday: number] {
  return [time.getUTCFullYear(), time.getUTCMonth() + 1, time.getUTCDate(), time.getUTCDay() + 1];
}

function parse(expression: string): Fields {
  const [, minute, hour, dayOfMonth, month, dayOfWeek, year] =
    /^cron\((\S+) (\S+) (\S+) (\S+) (\S+) (\S+)\)$/.exec(expression) ?? [];
  if (minute === undefined || hour === undefined || dayOfMonth === undefined || month === undefined) {
    throw new Error(`${expression} does not have six fields`);
  }
  if (year !== '*') throw new Error(`${expression} is not of every year`);
  if ((dayOfMonth === '?') === (dayOfWeek === '?')) throw new Error(`${expression} needs one "?" for its days`);
  const months = values(month, 1, 12, MONTHS);
  const days = dayOfMonth === '?' ? undefined : values(dayOfMonth, 1, 31);
  const weekdays = dayOfWeek === '?' ? undefined : values(dayOfWeek ?? '', 1, 7, WEEKDAYS, false);
  return {
    minutes: values(minute, 0, 59),
    hours: values(hour, 0, 23),
    isDay: (_year, inMonth, day, weekday) =>
      months.includes(inMonth) && days?.includes(day) !== false && weekdays?.includes(weekday) !== false,
  };
}

function values(text: string, min: number, max: number, names: readonly string[] = [], steps = true): number[] {
  const value = (part: string) => {
    const number = names.includes(part) ? names.indexOf(part) + min : Number(/^\d+$/.exec(part)?.[0]);
    if (!(number >= min && number <= max)) throw new Error(`"${part}" is not within ${min}-${max}`);
    return number;
  };
  const upTo = (from: number, to: number, step = 1) => {
    if (from > to) throw new Error(`${from}-${to} wraps`);
    return Array.from({ length: Math.floor((to - from) / step) + 1 }, (_, index) => from + index * step);
  };
  if (text === '*') return upTo(min, max);
  const [, start, step] = /^(\w+)\/(\d+)$/.exec(text) ?? [];
  if (start !== undefined) {
    if (!steps) throw new Error(`"${text}": no steps in this field`);
    return upTo(value(start), max, Number(step));
  }
  const [, from, to] = /^(\w+)-(\w+)$/.exec(text) ?? [];
  if (from !== undefined && to !== undefined) return upTo(value(from), value(to));
  const list = text.split(',').map(value);
  return [...new Set(list)].sort((a, b) => a - b);
}
