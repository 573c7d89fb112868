import { relative } from 'node:path';

/** A suite that has run; times in milliseconds. */
export interface SuiteTime {
  readonly path: string;
  readonly milliseconds: number;
}

const SHOWN = 10;

/** A table of the suites that took longest, longest first; paths from a root. */
export function slowestSuites(times: readonly SuiteTime[], root: string): string[] {
  const slowest = times.toSorted((a, b) => b.milliseconds - a.milliseconds).slice(0, SHOWN);
  return [
    `the ${slowest.length} slowest suites of ${times.length}:`,
    ...slowest.map(({ path, milliseconds }) => {
      const seconds = (milliseconds / 1000).toFixed(1).padStart(7);
      return `${seconds} s  ${relative(root, path)}`;
    }),
  ];
}
