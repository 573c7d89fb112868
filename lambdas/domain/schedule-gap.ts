import { parseCron, type Cron } from './cron.ts';
import { readFiring } from './schedule.ts';

const MINUTE_MILLISECONDS = 60_000;
const DAY_MINUTES = 1440;
/** After 28 years dates fall on the same weekdays again; four more for what waits for a leap day across their end. */
const YEARS = 32;
const FIRST_DAY = Date.UTC(2001, 0, 1);
const DAYS = (Date.UTC(2001 + YEARS, 0, 1) - FIRST_DAY) / (DAY_MINUTES * MINUTE_MILLISECONDS);

/** The longest time from one firing of a schedule to the next, in milliseconds, as long as clocks are not changed. */
export function longestGapMilliseconds(schedule: string): number {
  const firing = readFiring(schedule);
  const minutes = 'cron' in firing ? longestGapMinutes(parseCron(firing.cron)) : firing.everyMinutes;
  return minutes * MINUTE_MILLISECONDS;
}

function longestGapMinutes(cron: Cron): number {
  const times = cron.hour.values.flatMap((hour) => cron.minute.values.map((minute) => hour * 60 + minute));
  const [first = 0] = times;
  const last = times.at(-1) ?? first;
  let longest = Math.max(0, ...times.slice(1).map((time, index) => time - (times[index] ?? time)));
  let before: number | undefined;
  for (let day = 0; day < DAYS; day += 1) {
    if (!firesOn(cron, new Date(FIRST_DAY + day * DAY_MINUTES * MINUTE_MILLISECONDS))) continue;
    if (before !== undefined) longest = Math.max(longest, (day - before) * DAY_MINUTES + first - last);
    before = day;
  }
  return longest;
}

/** Either day counts where both are given. */
function firesOn({ dayOfMonth, month, dayOfWeek }: Cron, day: Date): boolean {
  if (!month.values.includes(day.getUTCMonth() + 1)) return false;
  const isDate = dayOfMonth.values.includes(day.getUTCDate());
  const isWeekday = dayOfWeek.values.includes(day.getUTCDay());
  if (!dayOfWeek.restricted) return isDate;
  return dayOfMonth.restricted ? isDate || isWeekday : isWeekday;
}
