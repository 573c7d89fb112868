import { ConfigurationError } from './errors.ts';

const MILLISECONDS = { m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 } as const;
const FORM = /^(?:\d+[mhdw])+$/;

/** Whether a text is a duration such as `90m`, `26h`, `7d`, `2w` or `1h30m`. */
export function isDuration(text: string): boolean {
  return FORM.test(text) && sum(text) > 0;
}

/** Milliseconds of a duration. ConfigurationError when it is none. */
export function parseDuration(text: string): number {
  if (isDuration(text)) return sum(text);
  throw new ConfigurationError(`"${text}" is not a duration`, { remedy: 'Write it as 90m, 26h, 7d, 2w or 1h30m.' });
}

function sum(text: string): number {
  const parts = text.matchAll(/(\d+)([mhdw])/g);
  return [...parts].reduce(
    (total, [, number, unit]) => total + Number(number) * MILLISECONDS[unit as keyof typeof MILLISECONDS],
    0,
  );
}
