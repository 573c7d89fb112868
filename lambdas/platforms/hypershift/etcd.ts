import type { V1ConfigMap } from '@kubernetes/client-node';
import { NoUsableMemberError, IdentityIncompleteError } from '../../domain/errors.ts';
import type { Datastore } from '../../domain/datastore.ts';
import type { EtcdClientTls } from '../../domain/etcd-workload.ts';
import { Secret } from '../../domain/secret.ts';
import type { KubeApi } from '../../kube/kube-api.ts';
import { secretText } from '../../kube/secret-text.ts';
import type { DeclaredEtcd } from '../statefulset-etcd/declared-etcd.ts';
import { runningMembers } from '../statefulset-etcd/running-members.ts';
import { controlPlaneNamespace, type HostedCluster } from './hosted-cluster.ts';

/** The datastore that every control plane has; shards go by their own names. */
const MAIN_DATASTORE = 'main';
const CLIENT_PORT = 2379;
const PEER_PORT = 2380;

/** All etcds of a control plane: the main one and its shards, each in a StatefulSet of its own. NoUsableMemberError when they are not managed. */
export function declaredEtcds({ metadata, spec }: HostedCluster): DeclaredEtcd[] {
  const { managementType, managed } = spec.etcd;
  if (managementType !== 'Managed') {
    throw new NoUsableMemberError(`etcd of HostedCluster ${metadata.name} is ${managementType}`, {
      remedy: 'Lifeboat reaches etcd through its pods; back up and restore an unmanaged etcd where it runs.',
    });
  }
  // The API's default is HighlyAvailable, and etcd then has three members whatever else is scaled down
  // (support/controlplane-component/defaults.go).
  const members = spec.controllerAvailabilityPolicy === 'SingleReplica' ? 1 : 3;
  const namespace = controlPlaneNamespace(metadata);
  return [
    { datastore: MAIN_DATASTORE, statefulSet: 'etcd', members },
    ...(managed?.shards ?? []).map(({ name, replicas }) => ({
      datastore: name,
      statefulSet: `etcd-${name}`,
      members: replicas ?? members,
    })),
  ].map((etcd) => ({
    ...etcd,
    namespace,
    clientPort: CLIENT_PORT,
    peerUrlOf: (pod, service) => `https://${pod}.${service}.${namespace}.svc:${PEER_PORT}`,
  }));
}

/** The declared etcds as they run; NoUsableMemberError for one without any pod. */
export async function describeEtcds(api: KubeApi, hostedCluster: HostedCluster): Promise<Datastore[]> {
  const declared = declaredEtcds(hostedCluster);
  const namespace = controlPlaneNamespace(hostedCluster.metadata);
  const pods = await api.list('v1', 'Pod', { namespace });
  return declared.map((etcd) => {
    const { datastore, clientPort } = etcd;
    return { kind: 'etcd', name: datastore, namespace, members: runningMembers(etcd, pods), clientPort };
  });
}

/**
 * The client certificate that HyperShift's own backup job is granted, and the CA beside it; shards share them.
 * IdentityIncompleteError names what is missing.
 */
export async function readClientTls(api: KubeApi, namespace: string): Promise<EtcdClientTls> {
  const [secret, configMap] = await Promise.all([
    api.get({ apiVersion: 'v1', kind: 'Secret', namespace, name: 'etcd-client-tls' }),
    api.get({ apiVersion: 'v1', kind: 'ConfigMap', namespace, name: 'etcd-ca' }),
  ]);
  // Up to OpenShift 4.11 the CA stood in the client's Secret.
  const ca = (configMap?.['data'] as V1ConfigMap['data'])?.['ca.crt'] ?? secretText(secret, 'etcd-client-ca.crt');
  const certificate = secretText(secret, 'etcd-client.crt');
  const key = secretText(secret, 'etcd-client.key');
  const missing = [
    ca === undefined && 'ConfigMap etcd-ca (ca.crt)',
    certificate === undefined && 'Secret etcd-client-tls (etcd-client.crt)',
    key === undefined && 'Secret etcd-client-tls (etcd-client.key)',
  ].filter((name) => name !== false);
  if (ca === undefined || certificate === undefined || key === undefined) {
    throw new IdentityIncompleteError(`namespace ${namespace} has no ${missing.join(', ')}`, {
      remedy: 'etcd can only be reached with its client certificate; check that the control plane is reconciled.',
    });
  }
  // The server certificates carry `localhost` for every member (control-plane-operator pki/etcd.go).
  return { ca, certificate, key: new Secret(key), serverName: 'localhost' };
}
