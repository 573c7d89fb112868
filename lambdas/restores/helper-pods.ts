import { swapPod, type SwapPlan } from '../datastores/etcd/restore/helper-pods.ts';
import { HELPER_EXIT_CODES } from '../datastores/etcd/restore/helper-scripts.ts';
import { podProgress } from '../datastores/etcd/restore/pod-progress.ts';
import { DatastoreError, GateError } from '../domain/errors.ts';
import type { KubernetesObject } from '../domain/kubernetes-object.ts';
import type { KubeApi } from '../kube/kube-api.ts';
import { namespacesOf, type OpenedRestore } from './opened.ts';

const FINAL_EXIT_CODES: readonly number[] = [HELPER_EXIT_CODES.refused, HELPER_EXIT_CODES.noRoom];

/**
 * Makes a helper pod unless it is there, and looks how far it has come: what it waits for, or undefined when it has done its
 * work. `onRunning` is called while it runs the container of that name. One that has failed is removed and told, as
 * GateError when it has refused, else as DatastoreError, which is worth another try.
 */
export async function followPod(
  api: KubeApi,
  pod: KubernetesObject,
  onRunning: (container: string) => Promise<void> = () => Promise.resolve(),
): Promise<string | undefined> {
  const { namespace = '', name } = pod.metadata;
  const reference = { apiVersion: 'v1', kind: 'Pod', namespace, name };
  const found = await api.get(reference);
  if (found === undefined) {
    await api.create(pod);
    return `pod ${name} is being created`;
  }
  const progress = podProgress(found);
  switch (progress.state) {
    case 'succeeded':
      return undefined;
    case 'running':
      await onRunning(progress.container);
      return `pod ${name} runs ${progress.container}`;
    case 'waiting':
    case 'blocked':
      return `pod ${name} waits: ${progress.reason}`;
    case 'failed': {
      await api.delete(reference);
      const message = `pod ${name} in namespace ${namespace} failed: ${progress.reason}`;
      if (progress.exitCode !== null && FINAL_EXIT_CODES.includes(progress.exitCode)) {
        throw new GateError(message, { remedy: 'Put right what it says; the pod itself has changed nothing.' });
      }
      throw new DatastoreError(message, { remedy: 'Look at the events of the namespace, then try again.' });
    }
  }
}

/** Runs a helper pod on the volume of every member, all at once. Gives what one still waits for; undefined when all have ended. */
export async function runOnVolumes(
  { cluster, datastores, plan }: OpenedRestore,
  action: SwapPlan['action'],
  helperImage: string | undefined,
): Promise<string | undefined> {
  const swapPlan = { operation: plan.operation, action, ...(helperImage !== undefined && { helperImage }) };
  const waits = await Promise.all(
    datastores.flatMap(({ installation }) =>
      installation.members.map((member) => followPod(cluster.api, swapPod(installation, member, swapPlan))),
    ),
  );
  return waits.find((wait) => wait !== undefined);
}

/** Removes every pod of the operation. Gives how many are still there; undefined when none is. */
export async function removeHelperPods({ cluster, plan }: OpenedRestore): Promise<string | undefined> {
  const left: KubernetesObject[] = [];
  for (const namespace of namespacesOf(plan)) {
    const labelSelector = `lifeboat.io/operation=${plan.operation}`;
    left.push(...(await cluster.api.list('v1', 'Pod', { namespace, labelSelector })));
  }
  for (const { metadata } of left.filter(({ metadata: { deletionTimestamp } }) => deletionTimestamp === undefined)) {
    const { namespace = '', name } = metadata;
    await cluster.api.delete({ apiVersion: 'v1', kind: 'Pod', namespace, name });
  }
  return left.length === 0 ? undefined : `${left.length} helper pods are still there`;
}
