import { dayOfMonthOccurs, parseCron, type CronField } from './cron.ts';
import { isDuration, parseDuration } from './duration.ts';
import { ConfigurationError } from './errors.ts';

const MACROS: Readonly<Record<string, string>> = {
  '@hourly': '0 * * * *',
  '@daily': '0 0 * * *',
  '@midnight': '0 0 * * *',
  '@weekly': '0 0 * * 0',
  '@monthly': '0 0 1 * *',
  '@yearly': '0 0 1 1 *',
  '@annually': '0 0 1 1 *',
};
const PREFIX = /^(?:CRON_)?TZ=(\S+)\s+(.+)$/;
const MINUTE_MILLISECONDS = 60_000;
/** By name, for Unix and EventBridge count them from different numbers. */
const WEEKDAYS = ['SUN', 'MON', 'TUE', 'WED', 'THU', 'FRI', 'SAT'] as const;
/** API reference of EventBridge Scheduler, CreateSchedule: ScheduleExpression. */
const LONGEST_EXPRESSION = 256;

/** What EventBridge Scheduler calls ScheduleExpression and ScheduleExpressionTimezone. */
export interface SchedulerExpression {
  readonly expression: string;
  readonly timeZone: string;
}

/**
 * The expressions for EventBridge Scheduler that together fire when a schedule does. Cron with a day of month and
 * a day of week means either, which takes two expressions; where both fire in one minute, that slot is delivered twice
 * and is one run. Only a lone `*` leaves such a field open, a star with a step does not, as in POSIX and cron-parser
 * (Vixie cron asks for both days then).
 *
 * When clocks change, EventBridge skips a time that does not exist and fires once at a time that comes twice ("Daylight
 * savings time" in its user guide). cron-parser differs: unless every hour is scheduled, it moves what falls into skipped
 * hours to the hour that follows; and when every hour is, it fires twice in the repeated hour. Around a change of half an
 * hour (Lord Howe) it loses firings, which EventBridge is not documented to. `@every` becomes a rate, which counts from
 * the schedule's creation; a day of it is 24 hours whatever the clocks do.
 *
 * ConfigurationError with reason and remedy for what is no schedule, never fires or cannot be expressed.
 */
export function schedulerExpressions(schedule: string, timeZone?: string): readonly SchedulerExpression[] {
  const [, prefix] = PREFIX.exec(schedule.trim()) ?? [];
  if (prefix !== undefined && timeZone !== undefined && prefix !== timeZone) {
    throw new ConfigurationError(`the schedule is in ${prefix}, but timeZone says ${timeZone}`, {
      remedy: 'Give the time zone once.',
    });
  }
  const zone = prefix ?? timeZone ?? 'UTC';
  checkTimeZone(zone);
  return expressions(schedule).map((expression) => ({ expression, timeZone: zone }));
}

/** ConfigurationError unless a text is the IANA name of a time zone, spelled as EventBridge expects it. */
export function checkTimeZone(text: string): void {
  const known = knownTimeZone(text);
  if (known === text) return;
  throw new ConfigurationError(`"${text}" is no time zone`, {
    remedy: known === undefined ? 'Give an IANA name such as Europe/Berlin.' : `Write ${known}.`,
  });
}

/** The name as it is spelled; undefined when this machine knows no zone of that name. */
function knownTimeZone(text: string): string | undefined {
  // Node takes offsets such as +01:00 for zones, EventBridge does not.
  if (!/^[A-Za-z]/.test(text)) return undefined;
  try {
    const { timeZone } = new Intl.DateTimeFormat('en', { timeZone: text }).resolvedOptions();
    return timeZone.toLowerCase() === text.toLowerCase() ? timeZone : text;
  } catch {
    return undefined;
  }
}

function expressions(schedule: string): readonly string[] {
  const firing = readFiring(schedule);
  return 'cron' in firing ? fromCron(firing.cron) : [fromMinutes(firing.everyMinutes)];
}

/** When a schedule fires, in whatever time zone: by five fields of cron, or so many minutes apart. ConfigurationError for neither. */
export function readFiring(schedule: string): { readonly cron: string } | { readonly everyMinutes: number } {
  const text = (PREFIX.exec(schedule.trim())?.[2] ?? schedule).trim();
  if (!text.startsWith('@')) return { cron: text };
  const [, interval] = /^@every\s+(.+)$/.exec(text) ?? [];
  if (interval !== undefined) return { everyMinutes: minutesOf(interval) };
  const macro = MACROS[text];
  if (macro !== undefined) return { cron: macro };
  throw new ConfigurationError(`"${text}" is no schedule`, {
    remedy: `Use five fields of cron, ${Object.keys(MACROS).join(', ')} or "@every 6h".`,
  });
}

function minutesOf(text: string): number {
  if (!isDuration(text)) {
    throw new ConfigurationError(`"@every ${text}" is no interval of whole minutes, of one or more`, {
      remedy: 'Write it as "@every 90m", "@every 6h", "@every 1h30m" or "@every 2d".',
    });
  }
  return parseDuration(text) / MINUTE_MILLISECONDS;
}

function fromMinutes(minutes: number): string {
  if (minutes % 1440 === 0) return rate(minutes / 1440, 'day');
  return minutes % 60 === 0 ? rate(minutes / 60, 'hour') : rate(minutes, 'minute');
}

function rate(value: number, unit: string): string {
  return `rate(${value} ${unit}${value === 1 ? '' : 's'})`;
}

function fromCron(text: string): readonly string[] {
  const cron = parseCron(text);
  const { minute, hour, dayOfMonth, month, dayOfWeek } = cron;
  const datesOccur = dayOfMonthOccurs(cron);
  if (!dayOfWeek.restricted && !datesOccur) {
    throw new ConfigurationError(`"${text}" never fires: no month that it names has such a day`, {
      remedy: 'Name a day that one of the months has; 29 February fires in leap years.',
    });
  }
  const expression = (dates: string, weekdays: string) =>
    fitting(`cron(${format(minute)} ${format(hour)} ${dates} ${format(month)} ${weekdays} *)`, text);
  const dates = format(dayOfMonth);
  const weekdays = formatWeekdays(dayOfWeek);
  const onDates = () => expression(dates, '?');
  const onWeekdays = () => expression('?', weekdays);
  if (!dayOfWeek.restricted) return [onDates()];
  if (!dayOfMonth.restricted) return [onWeekdays()];
  if (dates === '*') return [onDates()];
  // Dates that never come are refused by EventBridge, and beside all weekdays dates add nothing.
  if (weekdays === '*' || !datesOccur) return [onWeekdays()];
  return [onDates(), onWeekdays()];
}

/** `*`, a range, a start with a step to the field's end, or a list: never a mixture, which EventBridge does not document. */
function format({ values, min, max }: CronField): string {
  if (values.length === max - min + 1) return '*';
  const [first = min, second = max] = values;
  const last = values.at(-1) ?? first;
  const step = second - first;
  const even = values.length > 2 && values.every((value, index) => value === first + index * step);
  if (even && step === 1) return `${first}-${last}`;
  return even && last + step > max ? `${first}/${step}` : values.join(',');
}

/** EventBridge documents no step for weekdays. */
function formatWeekdays(field: CronField): string {
  const text = format(field);
  const numbers = text.includes('/') ? field.values.join(',') : text;
  return numbers.replace(/\d/g, (number) => WEEKDAYS[Number(number)] ?? number);
}

function fitting(expression: string, text: string): string {
  if (expression.length <= LONGEST_EXPRESSION) return expression;
  throw new ConfigurationError(
    `"${text}" takes ${expression.length} characters for EventBridge Scheduler, which allows ${LONGEST_EXPRESSION}`,
    { remedy: 'List fewer values, or use ranges and steps in place of lists.' },
  );
}
