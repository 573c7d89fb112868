import fc from 'fast-check';

/** A random schedule, and what cron-parser is to be asked instead: it knows no ranges that wrap and no repeated values. */
export interface TwoSpellings {
  readonly text: string;
  readonly cronParser: string;
}

interface Item {
  readonly text: string;
  readonly values: readonly number[];
  readonly wraps: boolean;
}

interface Limits {
  readonly min: number;
  readonly max: number;
  readonly names?: readonly string[];
  /** How many numbers stand for all values; weekdays have a number more. */
  readonly size: number;
}

const MINUTE: Limits = { min: 0, max: 59, size: 60 };
const HOUR: Limits = { min: 0, max: 23, size: 24 };
const DAY: Limits = { min: 1, max: 31, size: 31 };
const MONTH_NAMES = ['JAN', 'feb', 'Mar', 'apr', 'may', 'JUN', 'jul', 'aug', 'sep', 'Oct', 'nov', 'dec'];
const MONTH: Limits = { min: 1, max: 12, size: 12, names: MONTH_NAMES };
const WEEKDAY: Limits = { min: 0, max: 7, size: 7, names: ['sun', 'MON', 'Tue', 'wed', 'thu', 'fri', 'sat'] };

/** From a value to another, over the end of the field where the first is the greater. */
function walk(from: number, to: number, step: number, { min, size }: Limits): number[] {
  const length = to >= from ? to - from : (((to - from) % size) + size) % size;
  const count = Math.floor(length / step) + 1;
  return Array.from({ length: count }, (_, index) => ((from + index * step - min) % size) + min);
}

function anyItem(limits: Limits): fc.Arbitrary<Item> {
  const { min, max, names = [] } = limits;
  const number = fc.integer({ min, max });
  const step = fc.integer({ min: 1, max: max - min + 1 });
  const name = (value: number, named: boolean) => (named ? (names[value - min] ?? `${value}`) : `${value}`);
  const values = fc.tuple(number, fc.boolean()).map(([value, named]) => ({
    text: name(value, named),
    values: walk(value, value, 1, limits),
    wraps: false,
  }));
  const ranges = fc
    .tuple(number, number, fc.option(step, { nil: undefined }), fc.boolean())
    .map(([from, to, by, named]) => ({
      text: `${name(from, named)}-${name(to, named)}${by === undefined ? '' : `/${by}`}`,
      values: walk(from, to, by ?? 1, limits),
      wraps: from > to,
    }));
  const steps = fc.tuple(number, step, fc.boolean()).map(([from, by, everything]) => ({
    text: `${everything ? '*' : from}/${by}`,
    values: walk(everything ? min : from, max, by, limits),
    wraps: false,
  }));
  return fc.oneof({ weight: 3, arbitrary: values }, { weight: 3, arbitrary: ranges }, { weight: 2, arbitrary: steps });
}

function anyField(limits: Limits, starWeight: number): fc.Arbitrary<TwoSpellings> {
  const list = fc.array(anyItem(limits), { minLength: 1, maxLength: 3 }).map((items) => {
    const text = items.map((item) => item.text).join(',');
    const values = items.flatMap((item) => item.values);
    const unique = [...new Set(values)];
    const understood = unique.length === values.length && !items.some((item) => item.wraps);
    return { text, cronParser: understood ? text : unique.join(',') };
  });
  const star = fc.constant({ text: '*', cronParser: '*' });
  return fc.oneof({ weight: starWeight, arbitrary: star }, { weight: 4, arbitrary: list });
}

const anyCron = fc
  .tuple(anyField(MINUTE, 1), anyField(HOUR, 2), anyField(DAY, 6), anyField(MONTH, 10), anyField(WEEKDAY, 6))
  .map((fields) => ({
    text: fields.map(({ text }) => text).join(' '),
    cronParser: fields.map(({ cronParser }) => cronParser).join(' '),
  }));

const anyMacro = fc.constantFrom(
  ...Object.entries({
    '@hourly': '0 * * * *',
    '@daily': '0 0 * * *',
    '@midnight': '0 0 * * *',
    '@weekly': '0 0 * * 0',
    '@monthly': '0 0 1 * *',
    '@yearly': '0 0 1 1 *',
    '@annually': '0 0 1 1 *',
  }).map(([text, cronParser]) => ({ text, cronParser })),
);

/** Shifts the weight to the hours in which clocks change. */
const inTheNight = fc
  .tuple(anyField(MINUTE, 1), fc.constantFrom('0', '1', '2', '3', '1-2', '0-3', '23-1', '2,3'), anyField(WEEKDAY, 9))
  .map(([minute, hour, weekday]) => ({
    text: `${minute.text} ${hour} * * ${weekday.text}`,
    cronParser: `${minute.cronParser} ${hour === '23-1' ? '23,0,1' : hour} * * ${weekday.cronParser}`,
  }));

export const anySchedule: fc.Arbitrary<TwoSpellings> = fc.oneof(
  { weight: 8, arbitrary: anyCron },
  { weight: 4, arbitrary: inTheNight },
  { weight: 1, arbitrary: anyMacro },
);
