import { describe, expect, it } from '@jest/globals';
import { largeConfiguration, SIZES } from '../../lib/limits/large-configurations.ts';
import { LIMITS } from '../../lib/limits/limits.ts';
import { readTemplate } from '../../lib/limits/template.ts';
import { synthesize } from './synthesized.ts';

/** What there may be none of. */
const MAY_BE_NONE = ['characters of a managed policy', 'managed policies of a role'];

describe.each(SIZES)('$managementClusters management clusters and $policies policies', (size) => {
  const { directory } = synthesize(largeConfiguration(size));
  const template = readTemplate(directory, 'lifeboat');

  it.each(LIMITS)('keep the limit of $allowed $what', ({ what, allowed, measure }) => {
    const measured = measure(template);
    expect(measured).toBeLessThanOrEqual(allowed);
    if (!MAY_BE_NONE.includes(what)) expect(measured).toBeGreaterThan(0);
  });
});

it('no right, and nothing else of the template but what bears a policy, grows with the management clusters', () => {
  const [few, many] = [10, 2_000].map((managementClusters) => {
    const { directory } = synthesize(largeConfiguration({ managementClusters, policies: 1 } as never));
    return readTemplate(directory, 'lifeboat');
  });
  // Only the hashes of assets differ.
  expect(many?.bytes).toBe(few?.bytes);
});
