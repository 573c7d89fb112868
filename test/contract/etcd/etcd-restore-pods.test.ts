import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { preparationPod, swapPod } from '../../../lambdas/datastores/etcd/restore/helper-pods.ts';
import { progressOf } from '../../../lambdas/datastores/etcd/restore/pod-progress.ts';
import type { EtcdInstallation } from '../../../lambdas/domain/etcd-installation.ts';
import type { KubernetesObject } from '../../../lambdas/domain/kubernetes-object.ts';
import { installedEtcd, memberOf, OPERATION } from '../../unit/etcd-restore/installed-etcd.ts';
import { ApiServer } from '../../testbed/api-server.ts';

jest.setTimeout(120_000);

const NAMESPACE = 'clusters-prod';
const AS_ON_OPENSHIFT: Partial<EtcdInstallation['pods']> = {
  imagePullSecrets: [{ name: 'pull-secret' }],
  securityContext: { runAsNonRoot: true, fsGroup: 1000650000, seLinuxOptions: { level: 's0:c26,c5' } },
  containerSecurityContext: { runAsUser: 1000650000, runAsNonRoot: true, privileged: false },
  tolerations: [
    { key: 'hypershift.openshift.io/control-plane', operator: 'Equal', value: 'true', effect: 'NoSchedule' },
  ],
};

function podsOf(operation: string, pods: Partial<EtcdInstallation['pods']>): KubernetesObject[] {
  const installation = installedEtcd(3, { pods: { image: 'etcd:3.6.5', ...pods } });
  const plan = {
    operation,
    sizeBytes: 30_000_032,
    sha256: 'a'.repeat(64),
    clusterToken: operation,
    bump: 1_000_000,
    etcdVersion: '3.6.5',
    input: 'file' as const,
  };
  return [
    preparationPod(installation, memberOf(installation), plan),
    preparationPod(installation, { ...memberOf(installation, 1), node: null }, plan),
    ...(['swap', 'back', 'clear'] as const).map((action) =>
      swapPod(installation, memberOf(installation), { operation, action }),
    ),
  ];
}

describe('a real API server', () => {
  let server: ApiServer;

  beforeAll(async () => {
    server = await ApiServer.start();
    await server.kubectl(['create', 'namespace', NAMESPACE]);
  });
  afterAll(async () => {
    await server.stop();
  });

  async function create(pod: KubernetesObject): Promise<KubernetesObject> {
    const printed = await server.kubectl(
      ['create', '--validate=strict', '--filename=-', '--output=json'],
      JSON.stringify(pod),
    );
    return JSON.parse(printed) as KubernetesObject;
  }

  it('takes every helper pod with all its fields', async () => {
    for (const pod of podsOf(OPERATION, {})) {
      const created = await create(pod);
      expect(created).toMatchObject(pod);
      expect(progressOf(created)).toEqual({ state: 'waiting', reason: 'for its node' });
    }
  });

  it('takes them in a namespace that allows restricted pods only, where etcd runs as an ordinary user', async () => {
    await server.kubectl(['label', 'namespace', NAMESPACE, 'pod-security.kubernetes.io/enforce=restricted']);
    for (const pod of podsOf('restore-restricted', AS_ON_OPENSHIFT)) await create(pod);
    await server.kubectl(['label', 'namespace', NAMESPACE, 'pod-security.kubernetes.io/enforce-']);
  });

  it('keeps a deleted one until its node says that it has ended', async () => {
    const [pod] = podsOf('restore-deleted', {});
    if (pod === undefined) throw new Error('there is no pod');
    const { name } = (await create(pod)).metadata;
    const binding = { apiVersion: 'v1', kind: 'Binding', metadata: { name }, target: { kind: 'Node', name: 'node-0' } };
    await server.kubectl(
      ['create', '--raw', `/api/v1/namespaces/${NAMESPACE}/pods/${name}/binding`, '--filename=-'],
      JSON.stringify(binding),
    );
    await server.kubectl(['delete', 'pod', name, '--namespace', NAMESPACE, '--wait=false']);
    const left = JSON.parse(
      await server.kubectl(['get', 'pod', name, '--namespace', NAMESPACE, '--output=json']),
    ) as KubernetesObject;
    expect(progressOf(left)).toEqual({ state: 'waiting', reason: 'for its end, as it is being deleted' });
  });
});
