import { describe, expect, it } from '@jest/globals';
import { missingObjects, mountsOf } from '../../../lambdas/kube/mounted-objects.ts';
import { apiServing, inNamespace, NAMESPACE } from '../hypershift/served-objects.ts';

const API_SERVER = inNamespace(
  'apps/v1',
  'Deployment',
  { name: 'kube-apiserver' },
  {
    spec: {
      template: {
        spec: {
          volumes: [
            { name: 'a', secret: { secretName: 'server' } },
            { name: 'b', secret: { secretName: 'there' } },
            { name: 'c', secret: { secretName: 'extra', optional: true } },
            { name: 'd', configMap: { name: 'client-ca' } },
            { name: 'e', emptyDir: {} },
          ],
        },
      },
    },
  },
);

describe('what pods mount', () => {
  it('is told when it is not there, once, unless pods start without it', async () => {
    const api = apiServing([inNamespace('v1', 'Secret', { name: 'there' })]);
    const mounts = [...mountsOf(API_SERVER), ...mountsOf(API_SERVER)];
    expect(await missingObjects(api, NAMESPACE, mounts)).toEqual([
      `ConfigMap ${NAMESPACE}/client-ca`,
      `Secret ${NAMESPACE}/server`,
    ]);
  });

  it('is nothing where there are no volumes', () => {
    const bare = inNamespace('apps/v1', 'Deployment', { name: 'bare' }, { spec: { template: { spec: {} } } });
    expect(mountsOf(bare)).toEqual([]);
  });
});
