import { expect, it } from '@jest/globals';
import type { Cluster } from '../../../lambdas/kube/cluster.ts';
import type { KubeApi } from '../../../lambdas/kube/kube-api.ts';
import { discoverAll } from '../../../lambdas/platforms/discover.ts';

/** An API server that shows hosted clusters to whoever asks for one of these namespaces. */
function clusterOf(namespaces: readonly string[], asked: (string | undefined)[]): Cluster {
  const api = {
    servesKind: () => Promise.resolve(true),
    list: (apiVersion: string, kind: string, { namespace }: { namespace?: string } = {}) => {
      asked.push(namespace);
      const metadata = { namespace, name: 'prod', uid: `uid-${namespace ?? ''}`, resourceVersion: '1' };
      return Promise.resolve([{ apiVersion, kind, metadata, spec: { etcd: { managementType: 'Managed' } } }]);
    },
  } as unknown as KubeApi;
  return { name: 'mgmt-a', api, namespaces } as unknown as Cluster;
}

it('control planes are looked for in the namespaces of an account that may not look everywhere', async () => {
  const asked: (string | undefined)[] = [];
  const { controlPlanes, failures } = await discoverAll(['mgmt-a'], () =>
    Promise.resolve(clusterOf(['clusters', 'more'], asked)),
  );
  expect(failures).toEqual([]);
  expect(asked).toEqual(['clusters', 'more']);
  expect(controlPlanes.map(({ controlPlane }) => controlPlane)).toEqual(['mgmt-a/clusters/prod', 'mgmt-a/more/prod']);
});
