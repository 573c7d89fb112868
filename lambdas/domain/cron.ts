import { ConfigurationError } from './errors.ts';

// Not cron-parser, which tests compare firings with: it refuses ranges that wrap and values given twice, takes L, #, H and a sixth field,
// says neither which field is wrong nor what to write, and brings 98 kB of itself and Luxon into every bundle.

const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'] as const;
const WEEKDAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'] as const;
/** The leap day counts: what waits for it fires some day. */
const LONGEST_MONTHS = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] as const;

interface FieldRule {
  readonly title: string;
  readonly min: number;
  readonly max: number;
  /** Where a range that wraps goes back to `min`; 7 is Sunday's second number, not an eighth day. */
  readonly wrapsAfter: number;
  readonly names: readonly string[];
}

const MINUTE: FieldRule = { title: 'minute', min: 0, max: 59, wrapsAfter: 59, names: [] };
const HOUR: FieldRule = { title: 'hour', min: 0, max: 23, wrapsAfter: 23, names: [] };
const DAY_OF_MONTH: FieldRule = { title: 'day of month', min: 1, max: 31, wrapsAfter: 31, names: [] };
const MONTH: FieldRule = { title: 'month', min: 1, max: 12, wrapsAfter: 12, names: MONTHS };
const DAY_OF_WEEK: FieldRule = { title: 'day of week', min: 0, max: 7, wrapsAfter: 6, names: WEEKDAYS };

/** The values of a field, ascending and each once, and its limits. `restricted`: it is anything but a lone `*`. */
export interface CronField {
  readonly values: readonly number[];
  readonly min: number;
  readonly max: number;
  readonly restricted: boolean;
}

/** Five fields of cron; days of the week count from 0, Sunday, to 6. */
export interface Cron {
  readonly minute: CronField;
  readonly hour: CronField;
  readonly dayOfMonth: CronField;
  readonly month: CronField;
  readonly dayOfWeek: CronField;
}

/**
 * Reads five fields of Unix cron: `*`, values, names of months and weekdays, ranges, lists and steps. A range that wraps
 * (`fri-mon`, `22-2`) goes over the end of its field, and a step counts on across it. `n/s` runs from n to the end.
 * ConfigurationError with the reason when a field is something else.
 */
export function parseCron(text: string): Cron {
  const [minute = '', hour = '', dayOfMonth = '', month = '', dayOfWeek = '', ...more] = text.split(/\s+/);
  if (dayOfWeek === '' || more.length > 0) {
    const seconds = more.length === 1 ? ' Leave the seconds out: a schedule is kept to the minute.' : '';
    throw new ConfigurationError(`"${text}" does not have five fields`, {
      remedy: `Write minute, hour, day of month, month and day of week, such as "0 3 * * *".${seconds}`,
    });
  }
  return {
    minute: parseField(minute, MINUTE),
    hour: parseField(hour, HOUR),
    dayOfMonth: parseField(dayOfMonth, DAY_OF_MONTH),
    month: parseField(month, MONTH),
    dayOfWeek: parseField(dayOfWeek, DAY_OF_WEEK),
  };
}

/** Whether one of the months ever has one of the days. */
export function dayOfMonthOccurs({ dayOfMonth, month }: Cron): boolean {
  const first = Math.min(...dayOfMonth.values);
  return month.values.some((number) => first <= (LONGEST_MONTHS[number - 1] ?? 0));
}

function parseField(text: string, rule: FieldRule): CronField {
  const numbers = text.split(',').flatMap((item) => parseItem(item, rule));
  const values = rule === DAY_OF_WEEK ? numbers.map((number) => number % WEEKDAYS.length) : numbers;
  const { min, wrapsAfter: max } = rule;
  return { values: [...new Set(values)].sort((a, b) => a - b), min, max, restricted: text !== '*' };
}

function parseItem(item: string, rule: FieldRule): number[] {
  const [, from, to, step] = /^(\*|\w+)(?:-(\w+))?(?:\/(\d+))?$/.exec(item) ?? [];
  if (from === undefined || (from === '*' && to !== undefined)) throw notUnderstood(item, rule);
  if (step !== undefined && Number(step) === 0) {
    throw new ConfigurationError(`"${item}" in the field ${rule.title} steps by 0`, {
      remedy: 'Give a step of 1 or more.',
    });
  }
  const first = from === '*' ? rule.min : parseValue(from, item, rule);
  const open = from === '*' || step !== undefined;
  const last = to === undefined ? (open ? rule.max : first) : parseValue(to, item, rule);
  const all = first <= last ? range(first, last) : [...range(first, rule.wrapsAfter), ...range(rule.min, last)];
  return all.filter((_, index) => index % Number(step ?? 1) === 0);
}

function parseValue(text: string, item: string, rule: FieldRule): number {
  const name = rule.names.indexOf(text.toLowerCase());
  if (name >= 0) return rule.min + name;
  if (!/^\d+$/.test(text)) throw notUnderstood(item, rule);
  const value = Number(text);
  if (value >= rule.min && value <= rule.max) return value;
  throw new ConfigurationError(`${text} is no ${rule.title}`, {
    remedy: `Give numbers from ${rule.min} to ${rule.max}.`,
  });
}

function notUnderstood(item: string, { title, names, min, max }: FieldRule): ConfigurationError {
  const [first, ...others] = names;
  const orNames = first === undefined ? '' : ` or ${first}-${others.at(-1) ?? first}`;
  return new ConfigurationError(`"${item}" in the field ${title} is not of five-field cron`, {
    remedy: `Use *, numbers from ${min} to ${max}${orNames}, ranges (a-b), steps (*/n) and commas; ?, L, W, # and H are of other dialects.`,
  });
}

function range(first: number, last: number): number[] {
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, index) => first + index);
}
