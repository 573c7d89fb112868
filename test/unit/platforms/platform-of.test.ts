import { describe, expect, it } from '@jest/globals';
import { NotFoundError } from '../../../lambdas/domain/errors.ts';
import type { KubeApi } from '../../../lambdas/kube/kube-api.ts';
import { platformOf } from '../../../lambdas/platforms/discover.ts';
import type { Platform } from '../../../lambdas/platforms/platform.ts';

const NAME = { managementCluster: 'mgmt-a', namespace: 'clusters', name: 'prod' };
const CLUSTER = { api: undefined as unknown as KubeApi };

/** A platform that runs control planes of these names in one namespace; undefined: the cluster does not serve it. */
function platform(name: string, running: readonly string[] | undefined, asked: string[] = []): Platform {
  const discover = (_: unknown, namespaces: readonly string[] = []) => {
    asked.push(...namespaces);
    return Promise.resolve(namespaces.includes('clusters') ? running?.map((prod) => ({ name: prod })) : running && []);
  };
  return { name, discover } as unknown as Platform;
}

describe('the platform of a control plane', () => {
  it('is the only one that the cluster serves, of which nothing is listed', async () => {
    const asked: string[] = [];
    const served = platform('a', [], asked);
    expect(await platformOf(NAME, CLUSTER, [platform('b', undefined), served])).toBe(served);
    expect(asked).toEqual([]);
  });

  it('is that of several which has one of its name in its namespace', async () => {
    const running = platform('b', ['other', 'prod']);
    expect(await platformOf(NAME, CLUSTER, [platform('a', ['other']), running])).toBe(running);
  });

  it.each([
    ['none of several has it', ['other'], []],
    ['the cluster serves none', undefined, undefined],
  ])('is told to be missing when %s', async (_, a, b) => {
    const asking = platformOf(NAME, CLUSTER, [platform('a', a), platform('b', b)]);
    await expect(asking).rejects.toThrow(NotFoundError);
    await expect(asking).rejects.toThrow(
      'mgmt-a has no control plane clusters/prod of a platform that Lifeboat knows (a, b)',
    );
  });
});
