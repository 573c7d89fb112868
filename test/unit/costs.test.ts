import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { costTable, monthlyCosts } from '../../lib/costs/costs.ts';

/** Prettier aligns the columns of the README. */
const squeeze = (text: string) => text.replace(/ +/g, ' ').replace(/-{3,}/g, '---');

describe('the cost table', () => {
  it('stands in the README as it is computed', () => {
    const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
    expect(squeeze(readme)).toContain(squeeze(costTable()));
  });

  it('grows with the fleet in every part, and by less than the fleet', () => {
    const [small, large] = [monthlyCosts(100), monthlyCosts(10_000)];
    for (const [name, dollars] of Object.entries(small)) {
      expect(large[name]).toBeGreaterThan(dollars);
      expect(large[name]).toBeLessThan(dollars * 101);
    }
  });
});
