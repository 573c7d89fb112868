import { expect, it } from '@jest/globals';
import { NoUsableMemberError } from '../../../lambdas/domain/errors.ts';
import type { KubernetesObject } from '../../../lambdas/domain/kubernetes-object.ts';
import type { DeclaredEtcd } from '../../../lambdas/platforms/statefulset-etcd/declared-etcd.ts';
import { describeInstallation } from '../../../lambdas/platforms/statefulset-etcd/installation.ts';
import { runningMembers } from '../../../lambdas/platforms/statefulset-etcd/running-members.ts';
import { apiServing } from '../hypershift/served-objects.ts';

const NAMESPACE = 'cluster-x';

/** An etcd with names, ports and peer URLs of its own. */
const ETCD: DeclaredEtcd = {
  datastore: 'store',
  namespace: NAMESPACE,
  statefulSet: 'kmc-x-etcd',
  members: 2,
  clientPort: 12379,
  peerUrlOf: (pod, service) => `http://${pod}.${service}:2381`,
};

const object = (apiVersion: string, kind: string, name: string, rest: object): KubernetesObject => ({
  apiVersion,
  kind,
  metadata: { namespace: NAMESPACE, name },
  ...rest,
});

const statefulSet = object('apps/v1', 'StatefulSet', ETCD.statefulSet, {
  spec: {
    replicas: 2,
    serviceName: 'kmc-x-etcd',
    template: {
      spec: {
        containers: [
          {
            name: 'etcd',
            image: 'etcd:3.5',
            args: ['--data-dir=/var/lib/k0s/etcd'],
            volumeMounts: [{ name: 'etcd-data', mountPath: '/var/lib/k0s' }],
          },
        ],
      },
    },
    volumeClaimTemplates: [{ metadata: { name: 'etcd-data' }, spec: { resources: { requests: { storage: '1Gi' } } } }],
  },
});

function memberPod(name: string, owner: string): KubernetesObject {
  const ready = { status: { conditions: [{ type: 'Ready', status: 'True' }] } };
  const pod = object('v1', 'Pod', name, { spec: {}, ...ready });
  const ownerReferences = [{ apiVersion: 'apps/v1', kind: 'StatefulSet', name: owner, uid: 'uid-1' }];
  return { ...pod, metadata: { ...pod.metadata, ownerReferences } };
}

it('an etcd is described with the ports and peer URLs of its platform', async () => {
  const { installation } = await describeInstallation(apiServing([statefulSet]), ETCD, []);
  expect(installation).toMatchObject({
    datastore: 'store',
    namespace: NAMESPACE,
    statefulSet: 'kmc-x-etcd',
    clientPort: 12379,
    mountPath: '/var/lib/k0s',
    dataDirectory: 'etcd',
    members: [
      { pod: 'kmc-x-etcd-0', claim: 'etcd-data-kmc-x-etcd-0', peerUrl: 'http://kmc-x-etcd-0.kmc-x-etcd:2381' },
      { pod: 'kmc-x-etcd-1', claim: 'etcd-data-kmc-x-etcd-1', peerUrl: 'http://kmc-x-etcd-1.kmc-x-etcd:2381' },
    ],
  });
});

it('the members of an etcd are the pods of its StatefulSet, and of no other', () => {
  const pods = [memberPod('kmc-x-etcd-0', 'kmc-x-etcd'), memberPod('kmc-x-0', 'kmc-x')];
  expect(runningMembers(ETCD, pods)).toEqual([{ pod: 'kmc-x-etcd-0', ready: true }]);
  expect(() => runningMembers(ETCD, pods.slice(1))).toThrow(NoUsableMemberError);
});
