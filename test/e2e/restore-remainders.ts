import type { HostedCluster } from '../testbed/hypershift/hosted-cluster.ts';

/** What a restore leaves of itself on a management cluster: nothing, once it has ended. */
export interface RestoreRemainders {
  /** Names of its helper pods. */
  readonly pods: readonly string[];
  /** The HostedCluster's `spec.pausedUntil`. */
  readonly pausedUntil: string | null;
}

export const NO_REMAINDERS: RestoreRemainders = { pods: [], pausedUntil: null };

export async function restoreRemainders(hosted: HostedCluster): Promise<RestoreRemainders> {
  const { cluster, namespace, name, controlPlaneNamespace } = hosted;
  const names = '--output=jsonpath={.items[*].metadata.name}';
  const pods = await cluster.kubectl(['get', 'pods', '--namespace', controlPlaneNamespace, names]);
  const pausedUntil = await cluster.kubectl([
    ...['get', 'hostedcluster', name, '--namespace', namespace],
    '--output=jsonpath={.spec.pausedUntil}',
  ]);
  return {
    pods: pods.split(' ').filter((pod) => pod.startsWith('lifeboat-')),
    pausedUntil: pausedUntil === '' ? null : pausedUntil,
  };
}
