import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { ALONE, DISRUPTIVE, sideBySide, suitePath } from '../e2e/lanes.ts';
import LongestFirst from '../e2e/longest-first.ts';

const ROOT = join(import.meta.dirname, '..', '..');
/** How a suite takes from others what the bed gives to all of them. */
const DISRUPTION = /killApiServer|restartApiServer|stopOperator|s3\.kill\(|cluster\.kill\(|downBed\(/;

const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

describe('the lanes of the end-to-end suites', () => {
  it('have every suite in exactly one of them', () => {
    const files = readdirSync(join(ROOT, 'test/e2e'), { recursive: true, encoding: 'utf8' });
    const suites = files.filter((file) => file.endsWith('.test.ts'));
    const placed = [...sideBySide(), ...DISRUPTIVE, ...ALONE].map(suitePath).sort();
    expect(placed).toEqual(suites.map((file) => `test/e2e/${file}`).sort());
  });

  it('have the suites that take longest begun first', () => {
    const suites = [...sideBySide()].reverse().map((name) => ({ path: join(ROOT, suitePath(name)) }));
    expect(new LongestFirst().sort(suites)).toEqual([...suites].reverse());
  });

  it.each(sideBySide())('have %s beside others, which ends nothing that they stand on', (name) => {
    expect(read(suitePath(name))).not.toMatch(DISRUPTION);
  });

  it.each([...DISRUPTIVE, ...ALONE])('have %s apart because it does', (name) => {
    expect(read(suitePath(name))).toMatch(DISRUPTION);
  });
});
