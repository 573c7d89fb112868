import * as z from 'zod';
import {
  MADE_AS,
  RESTORE_CONTAINER,
  STEP_LABEL,
  swapPod,
  type SwapPlan,
} from '../../../datastores/etcd/restore/helper-pods.ts';
import { HELPER_EXIT_CODES, holderOf } from '../../../datastores/etcd/restore/helper-scripts.ts';
import { hasBegun, hasEnded, progressOf, type Block } from '../../../datastores/etcd/restore/pod-progress.ts';
import { DatastoreError, GateError } from '../../../domain/errors.ts';
import type { KubernetesObject } from '../../../domain/kubernetes-object.ts';
import type { RestorePlan } from '../../../domain/restore.ts';
import type { KubeApi } from '../../../kube/kube-api.ts';
import type { ClusterRunPorts } from '../../../operations/ports.ts';
import { namespacesOf, type OpenedRestore } from '../../open-restore.ts';

/**
 * For its node, its image and its volume; more than a slow registry needs. Less than any step's pause lasts: a pod that exchanges data
 * does it within this time or not at all.
 */
const BEGIN_MILLISECONDS = 10 * 60 * 1000;

/** Uids of pods of a restore that are known to be over: locks that they have left on volumes are broken by these names. */
type PodsOver = Set<string>;

/** What can't begin because of something that lasts is waited for so long. */
const BLOCKED_MILLISECONDS = 60 * 1000;

/** What one call knows of the pods that it follows. */
export interface FollowedPods {
  readonly over: PodsOver;
  /** Since when a pod can't begin, by uid and cause. */
  readonly blocked: Map<string, Date>;
}

const FINAL_EXIT_CODES: readonly number[] = [HELPER_EXIT_CODES.refused, HELPER_EXIT_CODES.noRoom];

/**
 * Makes a helper pod unless it is there, and looks how far it has come: what it waits for, or undefined when it has done its
 * work. One that has found another at work on its volume is made again, once that one is over. `onRunning` is called while it runs the container of that name. One that has failed is removed and told, as
 * GateError when it has refused, else as DatastoreError, which is worth another try. GateError as well when it does not begin
 * in ten minutes, e.g. because its node is dead.
 */
export async function followPod(
  api: KubeApi,
  pod: KubernetesObject,
  ports: Pick<ClusterRunPorts, 'clock' | 'journal'>,
  followed: FollowedPods,
  onRunning: (container: string, uid: string) => Promise<void> = () => Promise.resolve(),
): Promise<string | undefined> {
  const { namespace = '', name } = pod.metadata;
  const reference = { apiVersion: 'v1', kind: 'Pod', namespace, name };
  const found = await api.get(reference);
  if (found === undefined) {
    await api.create(pod);
    return `pod ${name} is being created`;
  }
  const progress = progressOf(found);
  const { uid, deletionTimestamp, annotations } = found.metadata;
  const isOutdated = annotations?.[MADE_AS] !== pod.metadata.annotations?.[MADE_AS];
  if (isOutdated && progress.state !== 'succeeded' && deletionTimestamp === undefined) {
    await api.delete(reference, uid === undefined ? {} : { uid });
    return `pod ${name} was made for another configuration and is made again`;
  }
  switch (progress.state) {
    case 'succeeded':
      return undefined;
    case 'running':
      await onRunning(progress.container, found.metadata.uid ?? '');
      return `pod ${name} runs ${progress.container}`;
    case 'waiting':
    case 'blocked': {
      const { creationTimestamp = '' } = found.metadata;
      if (progress.state === 'blocked') await refuseBlocked(found, progress, ports, followed);
      if (!hasBegun(found) && ports.clock().getTime() > Date.parse(creationTimestamp) + BEGIN_MILLISECONDS) {
        throw new GateError(`pod ${name} in namespace ${namespace} has not begun for ten minutes: ${progress.reason}`, {
          remedy: 'Look at its node and at the events of the namespace; then restore again.',
        });
      }
      return `pod ${name} waits: ${progress.reason}`;
    }
    case 'failed': {
      await api.delete(reference);
      if (progress.exitCode === HELPER_EXIT_CODES.busy) {
        const holder = holderOf(progress.reason);
        if (holder !== undefined && (await isOver(api, found, holder))) followed.over.add(holder);
        return `pod ${name} waits: ${progress.reason}`;
      }
      // An earlier run has made it; this one makes it again.
      if (progress.exitCode === HELPER_EXIT_CODES.tooLate) return `pod ${name} is made again: ${progress.reason}`;
      const message = `pod ${name} in namespace ${namespace} failed: ${progress.reason}`;
      if (progress.exitCode !== null && FINAL_EXIT_CODES.includes(progress.exitCode)) {
        throw new GateError(message, { remedy: 'Put right what it says; the pod itself has changed nothing.' });
      }
      throw new DatastoreError(message, { remedy: 'Look at the events of the namespace, then try again.' });
    }
  }
}

const REMEDIES: Readonly<Record<Block['cause'], string>> = {
  image:
    'Set restore.helperImage in lifeboat.yaml to an image that this cluster can pull, e.g. a mirror in your own registry. Then restore again.',
  configuration:
    'Put right what kubelet says; if the image may not run as root here, set restore.helperImage to one that runs as another user. Then restore again.',
  scheduling: 'Put right what the scheduler names, e.g. room on the node. Then restore again.',
  other: '',
};

/**
 * GateError when a pod can't begin for a minute because of something that lasts. On the way back only what names a wrong
 * setting ends the step: a node may still get room, and to give up would leave the control plane without its data.
 */
async function refuseBlocked(
  { metadata, spec }: KubernetesObject,
  { cause, reason, container }: Block,
  { clock, journal }: Pick<ClusterRunPorts, 'clock' | 'journal'>,
  { blocked }: FollowedPods,
): Promise<void> {
  const { name, namespace = '', uid = '', labels = {} } = metadata;
  if (cause === 'other' || (cause === 'scheduling' && labels[STEP_LABEL] === 'back')) return;
  const key = `${uid} ${cause}`;
  const since = blocked.get(key) ?? (await noteBlocked(labels['lifeboat.io/operation'] ?? '', key, { clock, journal }));
  blocked.set(key, since);
  if (clock().getTime() < since.getTime() + BLOCKED_MILLISECONDS) return;
  const { initContainers = [], containers = [] } = podSpecSchema.parse(spec ?? {});
  const image = [...initContainers, ...containers].find((one) => one.name === container)?.image;
  const ofEtcd = container === RESTORE_CONTAINER;
  throw new GateError(
    `pod ${name} in namespace ${namespace} can't begin: ${reason}${image === undefined ? '' : ` (image ${image})`}`,
    { remedy: ofEtcd ? "It is the image of etcd's own pods: look at its node and its pull secrets." : REMEDIES[cause] },
  );
}

const imagesSchema = z.array(z.object({ name: z.string(), image: z.string().optional() })).optional();
const podSpecSchema = z.object({ initContainers: imagesSchema, containers: imagesSchema });
const blockedSchema = z.record(z.string(), z.iso.datetime());

/** Since when, also over several calls. */
async function noteBlocked(
  operation: string,
  key: string,
  { clock, journal }: Pick<ClusterRunPorts, 'clock' | 'journal'>,
): Promise<Date> {
  const noted = await journal.revise(operation, 'blocked-pods', blockedSchema, (present = {}) => ({
    ...present,
    [key]: present[key] ?? clock().toISOString(),
  }));
  return new Date(noted[key] ?? clock());
}

/** Whether a pod of the same operation can write nowhere any more: it is gone, or its containers have ended. */
async function isOver(api: KubeApi, { metadata }: KubernetesObject, uid: string): Promise<boolean> {
  const { namespace = '', labels } = metadata;
  const pods = await podsOf(api, namespace, labels?.['lifeboat.io/operation'] ?? '');
  return pods.every((pod) => pod.metadata.uid !== uid || hasEnded(pod));
}

/**
 * Runs a helper pod on the volume of every member, all at once, and gives a look at them: what one still waits for; undefined when
 * all have ended. No other pod of the operation is at work then: such are removed, and waited for until they are gone; on the
 * way back and for the clearing also those that have ended, for they could be taken for work that is done.
 */
export function onVolumes(
  { cluster, datastores, plan }: OpenedRestore,
  work: Pick<SwapPlan, 'action' | 'isCopied'>,
  ports: ClusterRunPorts,
): () => Promise<string | undefined> {
  const helperImage = ports.configuration.restore?.helperImage;
  const followed = followedPods();
  const others = new Set<string>();
  return async () => {
    const pods = () =>
      datastores.flatMap(({ installation }) =>
        installation.members.map((member) =>
          swapPod(installation, member, {
            operation: plan.operation,
            ...work,
            over: [...followed.over],
            notAfter: new Date(ports.clock().getTime() + BEGIN_MILLISECONDS),
            ...(helperImage !== undefined && { helperImage }),
          }),
        ),
      );
    const wanted = new Set(pods().map(({ metadata }) => metadata.name));
    const othersWait = await endPods(cluster.api, plan, (pod) => {
      const isOther = !wanted.has(pod.metadata.name) && (work.action !== 'swap' || !hasEnded(pod));
      if (isOther && pod.metadata.uid !== undefined) others.add(pod.metadata.uid);
      return isOther;
    });
    if (othersWait !== undefined) return othersWait;
    for (const uid of others) followed.over.add(uid);
    const waits = await Promise.all(pods().map((pod) => followPod(cluster.api, pod, ports, followed)));
    return firstOf(waits);
  };
}

/** What one call begins with. */
export function followedPods(): FollowedPods {
  return { over: new Set(), blocked: new Map() };
}

/** What is told where several are waited for. */
export function firstOf(waits: readonly (string | undefined)[]): string | undefined {
  const [first, ...more] = waits.flatMap((wait) => wait ?? []);
  return first === undefined || more.length === 0 ? first : `${first}; and for ${more.length} more`;
}

/** Removes pods of the operation. Gives which one is still there; undefined when none is. */
async function endPods(
  api: KubeApi,
  plan: RestorePlan,
  isOther: (pod: KubernetesObject) => boolean,
): Promise<string | undefined> {
  const left: KubernetesObject[] = [];
  for (const namespace of namespacesOf(plan)) {
    left.push(...(await podsOf(api, namespace, plan.operation)).filter(isOther));
  }
  for (const { metadata } of left.filter(({ metadata: { deletionTimestamp } }) => deletionTimestamp === undefined)) {
    const { namespace = '', name, uid } = metadata;
    await api.delete({ apiVersion: 'v1', kind: 'Pod', namespace, name }, uid === undefined ? {} : { uid });
  }
  const [first] = left;
  if (first === undefined) return undefined;
  const { metadata, spec } = first as KubernetesObject & { readonly spec?: { readonly nodeName?: string } };
  const since = metadata.deletionTimestamp === undefined ? '' : ` since ${metadata.deletionTimestamp}`;
  const node = spec?.nodeName === undefined ? '' : ` on node ${spec.nodeName}`;
  const more = left.length === 1 ? '' : `, and ${left.length - 1} more`;
  return `pod ${metadata.name} is being deleted${since}${node}${more}`;
}

async function podsOf(api: KubeApi, namespace: string, operation: string): Promise<KubernetesObject[]> {
  return await api.list('v1', 'Pod', { namespace, labelSelector: `lifeboat.io/operation=${operation}` });
}

/** Removes every pod of the operation. Gives which one is still there; undefined when none is. */
export async function removeHelperPods({ cluster, plan }: OpenedRestore): Promise<string | undefined> {
  return await endPods(cluster.api, plan, () => true);
}
