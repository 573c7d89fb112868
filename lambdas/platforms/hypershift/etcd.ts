import { NoUsableMemberError, IdentityIncompleteError } from '../../domain/errors.ts';
import type { EtcdClientTls, EtcdMemberPod, EtcdWorkload } from '../../domain/etcd-workload.ts';
import type { KubernetesObject } from '../../domain/kubernetes-object.ts';
import { Secret } from '../../domain/secret.ts';
import type { KubeApi } from '../../kube/kube-api.ts';
import type { HostedCluster } from './hosted-cluster.ts';

/** The datastore that every control plane has; shards go by their own names. */
const MAIN_DATASTORE = 'main';
const CLIENT_PORT = 2379;

/** All etcds of a control plane: the main one and its shards, each in a StatefulSet of its own. */
export async function describeEtcds(
  api: KubeApi,
  namespace: string,
  hostedCluster: HostedCluster,
): Promise<EtcdWorkload[]> {
  const { managementType, managed } = hostedCluster.spec.etcd;
  if (managementType !== 'Managed') {
    throw new NoUsableMemberError(`etcd of HostedCluster ${hostedCluster.metadata.name} is ${managementType}`, {
      remedy: 'Lifeboat reaches etcd through its pods; back an unmanaged etcd up where it runs.',
    });
  }
  const [tls, pods] = await Promise.all([readClientTls(api, namespace), api.list('v1', 'Pod', { namespace })]);
  const statefulSets = [
    { datastore: MAIN_DATASTORE, name: 'etcd' },
    ...(managed?.shards ?? []).map((shard) => ({ datastore: shard.name, name: `etcd-${shard.name}` })),
  ];
  return statefulSets.map(({ datastore, name }) => {
    const members = pods.filter((pod) => isMemberOf(pod, name)).map(describeMember);
    if (members.length === 0) {
      throw new NoUsableMemberError(`StatefulSet ${name} in namespace ${namespace} has no pod`, {
        remedy: 'Check its replicas and events; a backup needs one running etcd member.',
      });
    }
    return { datastore, namespace, members, clientPort: CLIENT_PORT, tls };
  });
}

function isMemberOf(pod: KubernetesObject, statefulSet: string): boolean {
  const owners = pod.metadata.ownerReferences ?? [];
  return owners.some((owner) => owner.kind === 'StatefulSet' && owner.name === statefulSet);
}

function describeMember(pod: KubernetesObject): EtcdMemberPod {
  const status = pod['status'] as { conditions?: { type: string; status: string }[] } | undefined;
  const ready = status?.conditions?.some((condition) => condition.type === 'Ready' && condition.status === 'True');
  return { pod: pod.metadata.name, ready: ready === true && pod.metadata.deletionTimestamp === undefined };
}

/** The client certificate that HyperShift's own backup job is granted, and the CA beside it. */
async function readClientTls(api: KubeApi, namespace: string): Promise<EtcdClientTls> {
  const [secret, configMap] = await Promise.all([
    api.get({ apiVersion: 'v1', kind: 'Secret', namespace, name: 'etcd-client-tls' }),
    api.get({ apiVersion: 'v1', kind: 'ConfigMap', namespace, name: 'etcd-ca' }),
  ]);
  const secretData = secret?.['data'] as Record<string, string> | undefined;
  const fromSecret = (key: string) => {
    const encoded = secretData?.[key];
    return encoded === undefined ? undefined : Buffer.from(encoded, 'base64').toString();
  };
  // Up to OpenShift 4.11 the CA stood in the client's Secret.
  const ca =
    (configMap?.['data'] as Record<string, string> | undefined)?.['ca.crt'] ?? fromSecret('etcd-client-ca.crt');
  const certificate = fromSecret('etcd-client.crt');
  const key = fromSecret('etcd-client.key');
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
