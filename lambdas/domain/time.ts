import * as z from 'zod';
import { ConfigurationError } from './errors.ts';

/** RFC 3339 to the letter: date, time with seconds, and a zone. What else `Date` reads depends on where it is read. */
const RFC_3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)$/;
/** Days that no month has are refused here; `Date` takes them for days of the next one. */
const calendar = z.iso.datetime({ offset: true });

/** Somebody's clock may be ahead of ours by so much. */
const TOLERANCE_MILLISECONDS = 60 * 1000;

/** How a time is to be written, for messages and help. */
export const TIME_EXAMPLE = '2026-01-02T03:04:05Z';

/** The time that a text stands for. ConfigurationError unless it says date, time and zone as RFC 3339 has them. */
export function parseTime(text: string): Date {
  if (RFC_3339.test(text) && calendar.safeParse(text).success) return new Date(text);
  throw new ConfigurationError(`"${text}" is not a time with date, seconds and zone`, {
    remedy: `Write it as ${TIME_EXAMPLE}, or with another zone as 2026-01-02T04:04:05+01:00.`,
  });
}

/** The same for one that has to have passed. */
export function parsePastTime(text: string, now: Date): Date {
  const time = parseTime(text);
  if (isPast(time, now)) return time;
  throw new ConfigurationError(`${text} is in the future: it is ${formatTime(now)} now`, {
    remedy: `Give a time that has passed, such as ${TIME_EXAMPLE}; if it has, set the clock of this machine.`,
  });
}

/** Whether a time has come, give or take what clocks differ. */
export function isPast(time: Date, now: Date): boolean {
  return time.getTime() <= now.getTime() + TOLERANCE_MILLISECONDS;
}

/** In UTC to the second, as it may be given again. */
export function formatTime(time: Date): string {
  return time.toISOString().replace(/\.\d+Z$/, 'Z');
}
