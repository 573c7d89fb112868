import { readdirSync } from 'node:fs';

/**
 * The lanes of the end-to-end suites. A suite that works on control planes, buckets and accounts of its own runs beside others,
 * in one of several workers on one bed; the others have to be named here.
 */

/** These kill or stop what a whole bed stands on (an API server, the S3, the twin): one after the other, on a bed of their own. */
export const DISRUPTIVE = ['hypershift/twin', 'hypershift/store-faults', 'hypershift/tunnel-faults'];

/** These look at the whole machine, before and after: alone, while there is no other bed. */
export const ALONE = ['testbed'];

/** These take longest, the longest first: they begin first, so that none of them runs on by itself at the end. */
const LONGEST = [
  'hypershift/disaster',
  'hypershift/restore',
  'hypershift/restore-faults',
  'hypershift/one-at-a-time',
  'hypershift/interrupted',
  'hypershift/etcd-agreement',
  'hypershift/functions',
];

const SUITE = '.test.ts';

/** The names of all other suites, those that take longest first; a platform's with its folder, such as `hypershift/restore`. */
export function sideBySide(): string[] {
  const names = readdirSync(import.meta.dirname, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith(SUITE))
    .map((file) => file.slice(0, -SUITE.length))
    .sort();
  return [...new Set([...LONGEST, ...names])].filter((name) => !DISRUPTIVE.includes(name) && !ALONE.includes(name));
}

/** The path of a suite, as jest is given it. */
export function suitePath(name: string): string {
  return `test/e2e/${name}${SUITE}`;
}
