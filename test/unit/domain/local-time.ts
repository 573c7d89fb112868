const DAY_MILLISECONDS = 86_400_000;
const MINUTE_MILLISECONDS = 60_000;

/** A change of a zone's clocks. `shift`: milliseconds by which they go forward, negative when they go back. */
export interface ClockChange {
  readonly at: number;
  readonly shift: number;
}

const formats = new Map<string, Intl.DateTimeFormat>();

/** What clocks in a zone show at an instant, as if it were UTC; both in milliseconds. */
export function localTime(zone: string, instant: number): number {
  let format = formats.get(zone);
  if (format === undefined) {
    const twoDigits = { month: '2-digit', day: '2-digit', hour: '2-digit', minute: '2-digit' } as const;
    format = new Intl.DateTimeFormat('en', { timeZone: zone, hourCycle: 'h23', year: 'numeric', ...twoDigits });
    formats.set(zone, format);
  }
  const parts = Object.fromEntries(format.formatToParts(instant).map(({ type, value }) => [type, Number(value)]));
  const { year = 0, month = 0, day = 0, hour = 0, minute = 0 } = parts;
  return Date.UTC(year, month - 1, day, hour, minute) + (instant % MINUTE_MILLISECONDS);
}

/** The instants at which clocks in a zone show a time, ascending: none, one or two. */
export function instantsOf(zone: string, local: number): readonly number[] {
  const candidates = [local - DAY_MILLISECONDS, local + DAY_MILLISECONDS].map(
    (nearby) => local - (localTime(zone, nearby) - nearby),
  );
  return [...new Set(candidates)].filter((instant) => localTime(zone, instant) === local).sort((a, b) => a - b);
}

/** The changes of a zone's clocks, if each lasts for four weeks at least. */
export function clockChanges(zone: string, from: number, to: number): readonly ClockChange[] {
  const offset = (instant: number) => localTime(zone, instant) - instant;
  const changes: ClockChange[] = [];
  for (let month = from; month < to; month += 28 * DAY_MILLISECONDS) {
    let before = month;
    let after = Math.min(month + 28 * DAY_MILLISECONDS, to);
    if (offset(before) === offset(after)) continue;
    while (after - before > MINUTE_MILLISECONDS) {
      const middle = before + Math.floor((after - before) / 2 / MINUTE_MILLISECONDS) * MINUTE_MILLISECONDS;
      if (offset(middle) === offset(before)) before = middle;
      else after = middle;
    }
    changes.push({ at: after, shift: offset(after) - offset(before) });
  }
  return changes;
}
