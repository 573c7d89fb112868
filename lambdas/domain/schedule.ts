import { CronExpressionParser } from 'cron-parser';
import { isDuration } from './duration.ts';

const MACRO = /^@(hourly|daily|midnight|weekly|monthly|yearly|annually)$/;
const EVERY = /^@every (.+)$/;

/** Whether a text is five-field cron, `@daily` and the like, or `@every 6h`. */
export function isSchedule(text: string): boolean {
  const [, every] = EVERY.exec(text) ?? [];
  if (every !== undefined) return isDuration(every);
  if (MACRO.test(text)) return true;
  if (text.trim().split(/\s+/).length !== 5) return false;
  try {
    CronExpressionParser.parse(text).next();
    return true;
  } catch {
    return false;
  }
}

/** Whether a text names a time zone that this machine knows. */
export function isTimeZone(text: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: text });
    return true;
  } catch {
    return false;
  }
}
