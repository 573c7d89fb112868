import { readFile } from 'node:fs/promises';
import { ConfigurationError } from '../../lambdas/domain/errors.ts';
import type { Purpose } from '../../lambdas/domain/purpose.ts';
import { Secret } from '../../lambdas/domain/secret.ts';
import type { KubeconfigText } from '../../lambdas/kube/kubeconfigs.ts';
import { managementClusterAccess, type ClusterAccesses } from '../../lambdas/kube/management-cluster-access.ts';
import type { LoadedConfiguration } from './configuration-file.ts';

/** The ways to management clusters that `lifeboat.yaml` names for a purpose: kubeconfig files, secrets that hold one, or EKS. */
export function configuredKubeconfigs(loaded: LoadedConfiguration, purpose: Purpose): ClusterAccesses {
  const { managementClusters } = loaded.configuration;
  return {
    async read(managementCluster) {
      const entry = managementClusters[managementCluster];
      if (entry === undefined) {
        const known = Object.keys(managementClusters).join(', ') || 'none';
        throw new ConfigurationError(`${loaded.file} has no management cluster "${managementCluster}"`, {
          remedy: `Known are: ${known}. Add it below managementClusters, or correct the name.`,
        });
      }
      return await managementClusterAccess(managementCluster, entry, purpose, (path, place) =>
        readKubeconfigFile(loaded.resolvePath(path), `Correct ${place} in ${loaded.file}.`),
      );
    },
  };
}

/** The text of a kubeconfig file; ConfigurationError with the given remedy when it can't be read. */
export async function readKubeconfigFile(source: string, remedy: string): Promise<KubeconfigText> {
  try {
    return { text: new Secret(await readFile(source, 'utf8')), source };
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new ConfigurationError(`kubeconfig ${source} can't be read: ${code ?? 'unknown reason'}`, { remedy, cause });
  }
}
