import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { HostedCluster } from '../../testbed/hypershift/hosted-cluster.ts';

/** What a restore leaves of itself on a management cluster: nothing, once it has ended. */
export interface RestoreRemainders {
  /** Names of its helper pods. */
  readonly pods: readonly string[];
  /** Its directories on etcd's volumes. */
  readonly directories: readonly string[];
  /** The mark of an operation on the HostedCluster. */
  readonly mark: string | null;
  /** The HostedCluster's `spec.pausedUntil`. */
  readonly pausedUntil: string | null;
}

export const NO_REMAINDERS: RestoreRemainders = { pods: [], directories: [], mark: null, pausedUntil: null };

export async function restoreRemainders(hosted: HostedCluster): Promise<RestoreRemainders> {
  const { cluster, namespace, name, controlPlaneNamespace } = hosted;
  const names = '--output=jsonpath={.items[*].metadata.name}';
  const pods = await cluster.kubectl(['get', 'pods', '--namespace', controlPlaneNamespace, names]);
  const read = (path: string) =>
    cluster.kubectl(['get', 'hostedcluster', name, '--namespace', namespace, `--output=jsonpath={${path}}`]);
  const [pausedUntil, mark] = await Promise.all([
    read('.spec.pausedUntil'),
    read('.metadata.annotations.lifeboat\\.io/operation'),
  ]);
  return {
    pods: pods.split(' ').filter(isOurs),
    directories: (await entriesOnVolumes(hosted)).filter(isOurs),
    mark: mark === '' ? null : mark,
    pausedUntil: pausedUntil === '' ? null : pausedUntil,
  };
}

function isOurs(name: string): boolean {
  return name.startsWith('lifeboat-');
}

/** What lies at the root of the volumes of a control plane, as this machine has them. */
async function entriesOnVolumes({ cluster, controlPlaneNamespace }: HostedCluster): Promise<string[]> {
  const named = '--output=jsonpath={.items[*].spec.volumeName}';
  const volumes = await cluster.kubectl(['get', 'persistentvolumeclaims', '--namespace', controlPlaneNamespace, named]);
  const entries = volumes.split(' ').map(async (volume) => {
    const path = await cluster.kubectl(['get', 'persistentvolume', volume, '--output=jsonpath={.spec.hostPath.path}']);
    return await readdir(join(cluster.stateDirectory, path));
  });
  return (await Promise.all(entries)).flat();
}
