import type { V1DeploymentSpec, V1PodStatus, V1StatefulSetSpec } from '@kubernetes/client-node';
import { GateError } from '../domain/errors.ts';
import type { KubernetesObject, Plain } from '../domain/kubernetes-object.ts';
import type { Workload } from '../domain/restore-target.ts';
import type { KubeApi } from './kube-api.ts';
import { isReady } from './pod-readiness.ts';

const APPS = 'apps/v1';

/**
 * API servers that are told to end serve on for a minute and more, so that load balancers hear of it; an etcd that leads waits
 * seven seconds for a follower to take over, although they all end. Nobody is to be served any more: what was asked before is
 * done or refused within this time, and what etcd has acknowledged is on its disk.
 */
const GRACE_SECONDS = 1;

/** Brings a workload to zero without waiting for its own grace. Gives what it waits for; undefined when its pods are gone. */
export async function endWorkload(api: KubeApi, workload: Workload): Promise<string | undefined> {
  const standing = await lookAt(api, workload);
  // Before the scaling: a kubelet that has begun to stop a container with a long grace does not hear of a shorter one.
  for (const { metadata } of standing.pods) {
    const { deletionTimestamp, deletionGracePeriodSeconds = 0 } = metadata;
    if (deletionTimestamp !== undefined && deletionGracePeriodSeconds <= GRACE_SECONDS) continue;
    const { name, uid } = metadata;
    await api.delete(
      { apiVersion: 'v1', kind: 'Pod', namespace: workload.namespace, name },
      { gracePeriodSeconds: GRACE_SECONDS, ...(uid !== undefined && { uid }) },
    );
  }
  return await bringTo(api, workload, standing, 0);
}

/** Brings a workload to a number of replicas. Gives what it still waits for; undefined when its pods are as they must be. */
export async function scaleTo(api: KubeApi, workload: Workload, replicas: number): Promise<string | undefined> {
  return await bringTo(api, workload, await lookAt(api, workload), replicas);
}

/**
 * Brings a StatefulSet up, a pod as soon as the one before runs, whether or not that is ready. Members of etcd that start at once
 * with the initial corruption check ask each other for a hash before any of them answers, and wait seven seconds for
 * each other member (server/etcdserver/corrupt.go); one whose peer has no address yet asks in vain at once.
 */
export async function startInTurn(api: KubeApi, workload: Workload): Promise<string | undefined> {
  const { name, replicas } = workload;
  const standing = await lookAt(api, workload);
  const running = standing.pods.filter(isRunning).length;
  const next = Math.min(replicas, Math.max(standing.replicas, running + 1));
  const waitsFor = await bringTo(api, workload, standing, next);
  return waitsFor ?? (next < replicas ? `${next} of ${replicas} pods of ${name} are started` : undefined);
}

function isRunning(pod: KubernetesObject): boolean {
  const { containerStatuses = [] } = (pod['status'] ?? {}) as Plain<V1PodStatus>;
  return containerStatuses.length > 0 && containerStatuses.every(({ state }) => state?.running !== undefined);
}

/** A workload as it is: the replicas that it is told, and its pods that have not ended. */
interface Standing {
  readonly replicas: number;
  readonly pods: readonly KubernetesObject[];
}

/** The pods of a workload that have not ended. GateError when it is gone. */
export async function podsOf(api: KubeApi, workload: Workload): Promise<readonly KubernetesObject[]> {
  return (await lookAt(api, workload)).pods;
}

async function lookAt(api: KubeApi, { kind, namespace, name }: Workload): Promise<Standing> {
  const object = await api.get({ apiVersion: APPS, kind, namespace, name });
  if (object === undefined) {
    throw new GateError(`${kind} ${namespace}/${name} is gone`, {
      remedy: 'Somebody deleted it, or its platform did; let the platform make it again, then try again.',
    });
  }
  const { replicas = 1, selector } = object['spec'] as Plain<V1StatefulSetSpec> | Plain<V1DeploymentSpec>;
  const labelSelector = Object.entries(selector.matchLabels ?? {})
    .map((label) => label.join('='))
    .join(',');
  const pods = await api.list('v1', 'Pod', { namespace, labelSelector });
  return { replicas, pods: pods.filter((pod) => !isOver(pod)) };
}

async function bringTo(
  api: KubeApi,
  { kind, namespace, name }: Workload,
  standing: Standing,
  replicas: number,
): Promise<string | undefined> {
  const { pods } = standing;
  if (standing.replicas !== replicas) {
    // Looked at each time: whoever reconciles may not have heard of the pause yet and put the number back.
    await api.scale({ apiVersion: APPS, kind, namespace, name }, replicas);
    // The pods that were looked at are those of the former number.
    return `${pods.length} pods of ${name} are on their way to ${replicas}`;
  }
  if (replicas === 0) return pods.length === 0 ? undefined : `${pods.length} pods of ${name} are still there`;
  const ready = pods.filter(isReady).length;
  return ready === replicas && pods.length === replicas
    ? undefined
    : `${ready} of ${replicas} pods of ${name} are ready`;
}

function isOver(pod: KubernetesObject): boolean {
  const { phase } = (pod['status'] ?? {}) as Plain<V1PodStatus>;
  return phase === 'Succeeded' || phase === 'Failed';
}
