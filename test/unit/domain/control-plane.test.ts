import { describe, expect, it } from '@jest/globals';
import { formatControlPlaneName, parseControlPlaneName } from '../../../lambdas/domain/control-plane.ts';
import { ConfigurationError } from '../../../lambdas/domain/errors.ts';

describe('the name of a control plane', () => {
  it('is read and written alike', () => {
    const name = parseControlPlaneName('mgmt-a/clusters/prod.eu');
    expect(name).toEqual({ managementCluster: 'mgmt-a', namespace: 'clusters', name: 'prod.eu' });
    expect(formatControlPlaneName(name)).toBe('mgmt-a/clusters/prod.eu');
  });

  it.each(['', 'prod', 'clusters/prod', 'a/b/c/d', 'a//c', 'mgmt-a/clusters/Prod', '../x/y', 'a/b/..', 'a/b/c..d'])(
    'is refused when it could not be one: "%s"',
    (text) => {
      expect(() => parseControlPlaneName(text)).toThrow(ConfigurationError);
    },
  );
});
