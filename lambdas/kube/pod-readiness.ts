import type { V1PodStatus } from '@kubernetes/client-node';
import type { KubernetesObject, Plain } from '../domain/kubernetes-object.ts';

/** Whether a pod serves: it is ready and not going away. */
export function isReady(pod: KubernetesObject): boolean {
  const status = pod['status'] as Plain<V1PodStatus> | undefined;
  const ready = status?.conditions?.some((condition) => condition.type === 'Ready' && condition.status === 'True');
  return ready === true && pod.metadata.deletionTimestamp === undefined;
}
