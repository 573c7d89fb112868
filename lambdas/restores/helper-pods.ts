import { swapPod, type SwapPlan } from '../datastores/etcd/restore/helper-pods.ts';
import { HELPER_EXIT_CODES } from '../datastores/etcd/restore/helper-scripts.ts';
import { hasBegun, podProgress } from '../datastores/etcd/restore/pod-progress.ts';
import { DatastoreError, GateError } from '../domain/errors.ts';
import type { KubernetesObject } from '../domain/kubernetes-object.ts';
import type { KubeApi } from '../kube/kube-api.ts';
import type { ClusterRunPorts } from '../operations/ports.ts';
import { namespacesOf, type OpenedRestore } from './opened.ts';

/** For its node, its image and its volume; more than a slow registry needs. */
const BEGIN_MILLISECONDS = 10 * 60 * 1000;

const FINAL_EXIT_CODES: readonly number[] = [HELPER_EXIT_CODES.refused, HELPER_EXIT_CODES.noRoom];

/**
 * Makes a helper pod unless it is there, and looks how far it has come: what it waits for, or undefined when it has done its
 * work. `onRunning` is called while it runs the container of that name. One that has failed is removed and told, as
 * GateError when it has refused, else as DatastoreError, which is worth another try. GateError as well when it does not begin
 * in ten minutes, e.g. because its node is dead.
 */
export async function followPod(
  api: KubeApi,
  pod: KubernetesObject,
  { clock }: Pick<ClusterRunPorts, 'clock'>,
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
    case 'blocked': {
      const { creationTimestamp = '' } = found.metadata;
      if (!hasBegun(found) && clock().getTime() > Date.parse(creationTimestamp) + BEGIN_MILLISECONDS) {
        throw new GateError(`pod ${name} in namespace ${namespace} has not begun for ten minutes: ${progress.reason}`, {
          remedy: 'Look at its node and at the events of the namespace; then restore again.',
        });
      }
      return `pod ${name} waits: ${progress.reason}`;
    }
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
  ports: ClusterRunPorts,
): Promise<string | undefined> {
  const helperImage = ports.configuration.restore?.helperImage;
  const swapPlan = { operation: plan.operation, action, ...(helperImage !== undefined && { helperImage }) };
  const waits = await Promise.all(
    datastores.flatMap(({ installation }) =>
      installation.members.map((member) => followPod(cluster.api, swapPod(installation, member, swapPlan), ports)),
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
