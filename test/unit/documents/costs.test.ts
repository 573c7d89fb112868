import { describe, expect, it } from '@jest/globals';
import { monthlyCosts } from '../../../lib/costs/costs.ts';

describe('the cost table', () => {
  it('grows with the fleet in every part, and by less than the fleet', () => {
    const [small, large] = [monthlyCosts(100), monthlyCosts(10_000)];
    for (const [name, dollars] of Object.entries(small)) {
      expect(large[name]).toBeGreaterThan(dollars);
      expect(large[name]).toBeLessThan(dollars * 101);
    }
  });
});
