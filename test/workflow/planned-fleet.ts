import { configurationSchema } from '../../lambdas/domain/configuration.ts';
import type { LifeboatEvent } from '../../lambdas/domain/events.ts';
import type { KubernetesObject } from '../../lambdas/domain/kubernetes-object.ts';
import type { Cluster } from '../../lambdas/kube/cluster.ts';
import type { KubeApi } from '../../lambdas/kube/kube-api.ts';
import type { ClusterRunPorts } from '../../lambdas/operations/ports.ts';
import { Catalogue } from '../../lambdas/store/catalogue.ts';
import { DirectoryStore } from '../../lambdas/store/directory-store.ts';
import { Journal } from '../../lambdas/store/journal.ts';
import { Locks } from '../../lambdas/store/locks.ts';
import type { SecureEtcd } from '../testbed/secure-etcd.ts';

export const MANAGEMENT_CLUSTER = 'mgmt-a';
const NAMESPACE = 'clusters';
const HYPERSHIFT = 'hypershift.openshift.io/v1beta1';

/** Ports that are real but for the management cluster, and the events that were published through them. */
export interface PlannedPorts extends ClusterRunPorts {
  readonly published: LifeboatEvent[];
}

/** Ports on a directory, for a policy that keeps one recovery point of every control plane. */
export function plannedPorts(directory: string, cluster: Cluster, signal: AbortSignal): PlannedPorts {
  const store = new DirectoryStore(directory);
  const clock = () => new Date();
  const published: LifeboatEvent[] = [];
  return {
    store,
    catalogue: new Catalogue(store),
    journal: new Journal(store, 'backup'),
    locks: new Locks(store),
    published,
    events: {
      publish(event) {
        published.push(event);
        return Promise.resolve();
      },
    },
    configuration: configurationSchema.parse({
      store: directory,
      managementClusters: { [MANAGEMENT_CLUSTER]: { kubeconfig: 'unused' } },
      policies: { nightly: { schedule: '@daily', retention: { last: 1, minimumVerified: 1 } } },
    }),
    clock,
    now: () => performance.now(),
    report: () => undefined,
    signal,
    random: Math.random,
    toolVersion: '0.0.0-test',
    connect: () => Promise.resolve(cluster),
    restoreCredentialsEndAt: () => Promise.resolve(null),
  };
}

/**
 * A management cluster with a HostedCluster of each name. Its API answers by plan; the datastore of all of them is one
 * real etcd, reached as ever but without the tunnel.
 */
export function plannedCluster(names: readonly string[], etcd: SecureEtcd): Cluster {
  const { tls } = etcd.workload;
  const base64 = (text: string) => Buffer.from(text).toString('base64');
  const object = (
    apiVersion: string,
    kind: string,
    namespace: string,
    name: string,
    rest: object,
  ): KubernetesObject => ({
    apiVersion,
    kind,
    metadata: { namespace, name, uid: `${kind}-${namespace}-${name}` },
    ...rest,
  });
  const hostedClusters = names.map((name) =>
    object(HYPERSHIFT, 'HostedCluster', NAMESPACE, name, {
      spec: { pullSecret: { name: 'pull-secret' }, etcd: { managementType: 'Managed' } },
    }),
  );
  const etcdPod = (namespace: string): KubernetesObject => {
    const pod = object('v1', 'Pod', namespace, 'etcd-0', {
      status: { conditions: [{ type: 'Ready', status: 'True' }] },
    });
    const owner = { apiVersion: 'apps/v1', kind: 'StatefulSet', name: 'etcd', uid: 'etcd' };
    return { ...pod, metadata: { ...pod.metadata, ownerReferences: [owner] } };
  };
  const secretData = (name: string) =>
    name === 'etcd-client-tls'
      ? { 'etcd-client.crt': base64(tls.certificate), 'etcd-client.key': base64(tls.key.reveal()) }
      : { key: base64(`made up for ${name}`) };
  const api: Pick<KubeApi, 'get' | 'list' | 'version' | 'servesKind' | 'preferredVersion'> = {
    version: () => Promise.resolve('v1.35.0'),
    servesKind: (_, kind) => Promise.resolve(kind === 'HostedCluster'),
    preferredVersion: () => Promise.resolve(undefined),
    list(_, kind, { namespace = '' } = {}) {
      if (kind === 'HostedCluster') return Promise.resolve(hostedClusters);
      return Promise.resolve(kind === 'Pod' ? [etcdPod(namespace)] : []);
    },
    get({ apiVersion, kind, namespace = '', name }) {
      switch (kind) {
        case 'HostedCluster':
          return Promise.resolve(hostedClusters.find(({ metadata }) => metadata.name === name));
        case 'Secret':
          return Promise.resolve(object(apiVersion, kind, namespace, name, { data: secretData(name) }));
        case 'ConfigMap':
          return Promise.resolve(object(apiVersion, kind, namespace, name, { data: { 'ca.crt': tls.ca } }));
        default:
          return Promise.resolve(undefined);
      }
    },
  };
  return {
    name: MANAGEMENT_CLUSTER,
    api: api as KubeApi,
    credentialsEndAt: null,
    attach: () => Promise.reject(new Error('no pod is attached to')),
    openTunnel: (target, options) => etcd.cluster.openTunnel(target, options),
    close: () => undefined,
  };
}

/** The full names of control planes of a planned cluster. */
export function plannedNames(names: readonly string[]): string[] {
  return names.map((name) => `${MANAGEMENT_CLUSTER}/${NAMESPACE}/${name}`);
}
