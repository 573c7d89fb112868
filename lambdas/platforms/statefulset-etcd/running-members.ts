import { NoUsableMemberError } from '../../domain/errors.ts';
import type { EtcdMemberPod } from '../../domain/datastore.ts';
import type { KubernetesObject } from '../../domain/kubernetes-object.ts';
import { isReady } from '../../kube/pod-readiness.ts';
import type { DeclaredEtcd } from './declared-etcd.ts';

/** The members of an etcd as they run, out of the pods of its namespace; NoUsableMemberError when it has none. */
export function runningMembers(
  { namespace, statefulSet }: Pick<DeclaredEtcd, 'namespace' | 'statefulSet'>,
  pods: readonly KubernetesObject[],
): EtcdMemberPod[] {
  const members = pods
    .filter((pod) => isMemberOf(pod, statefulSet))
    .map((pod) => ({ pod: pod.metadata.name, ready: isReady(pod) }));
  if (members.length > 0) return members;
  throw new NoUsableMemberError(`StatefulSet ${statefulSet} in namespace ${namespace} has no pod`, {
    remedy: 'Check its replicas and events; a backup needs one running etcd member.',
  });
}

function isMemberOf(pod: KubernetesObject, statefulSet: string): boolean {
  const owners = pod.metadata.ownerReferences ?? [];
  return owners.some((owner) => owner.kind === 'StatefulSet' && owner.name === statefulSet);
}
