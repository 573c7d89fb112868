import type { V1PodStatus } from '@kubernetes/client-node';
import type { KubernetesObject, Plain } from '../domain/kubernetes-object.ts';
import type { KubeApi } from './kube-api.ts';

/**
 * Starts pods again that ended because the API was away: kubelet would let them wait for up to five minutes before it tries. Only
 * such as somebody makes anew. Gives their names.
 */
export async function restartCrashed(api: KubeApi, namespace: string): Promise<string[]> {
  const crashed = await listCrashed(api, namespace);
  for (const { metadata } of crashed) {
    const { name, uid } = metadata;
    await api.delete({ apiVersion: 'v1', kind: 'Pod', namespace, name }, uid === undefined ? {} : { uid });
  }
  return crashed.map(({ metadata }) => metadata.name);
}

/** The names of pods that crash and that somebody makes anew. */
export async function crashedPods(api: KubeApi, namespace: string): Promise<string[]> {
  return (await listCrashed(api, namespace)).map(({ metadata }) => metadata.name);
}

async function listCrashed(api: KubeApi, namespace: string): Promise<KubernetesObject[]> {
  const pods = await api.list('v1', 'Pod', { namespace });
  return pods.filter((pod) => (pod.metadata.ownerReferences ?? []).length > 0 && isCrashed(pod));
}

function isCrashed(pod: KubernetesObject): boolean {
  const { containerStatuses = [] } = (pod['status'] ?? {}) as Plain<V1PodStatus>;
  return containerStatuses.some(({ state }) => state?.waiting?.reason === 'CrashLoopBackOff');
}
