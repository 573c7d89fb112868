import { readFile } from 'node:fs/promises';
import type { ManagementCluster } from '../../lambdas/domain/configuration.ts';
import { ConfigurationError } from '../../lambdas/domain/errors.ts';
import type { Purpose } from '../../lambdas/domain/purpose.ts';
import { Secret } from '../../lambdas/domain/secret.ts';
import type { KubeconfigText } from '../../lambdas/kube/kubeconfigs.ts';
import {
  managementClusterAccess,
  restoreCredentialsEndAt,
  type ConfiguredAccesses,
} from '../../lambdas/kube/management-cluster-access.ts';
import type { LoadedConfiguration } from './configuration-file.ts';
import { ownerOf, refuseUntrusted } from './trusted-path.ts';

/** The ways to management clusters that `lifeboat.yaml` names for a purpose: kubeconfig files, secrets that hold one, or EKS. */
export function configuredKubeconfigs(loaded: LoadedConfiguration, purpose: Purpose): ConfiguredAccesses {
  const { managementClusters } = loaded.configuration;
  const entryOf = (managementCluster: string): ManagementCluster => {
    const entry = managementClusters[managementCluster];
    if (entry !== undefined) return entry;
    const known = Object.keys(managementClusters).join(', ') || 'none';
    throw new ConfigurationError(`${loaded.file} has no management cluster "${managementCluster}"`, {
      remedy: `Known are: ${known}. Add it below managementClusters, or correct the name.`,
    });
  };
  const read = (path: string, place: string) =>
    readKubeconfigFile(loaded.resolvePath(path), `Correct ${place} in ${loaded.file}.`, loaded.trustedOwners);
  return {
    purpose,
    namespacesOf: (managementCluster) => managementClusters[managementCluster]?.namespaces,
    async read(managementCluster) {
      return await managementClusterAccess(managementCluster, entryOf(managementCluster), purpose, read);
    },
    async restoreCredentialsEndAt(managementCluster) {
      return await restoreCredentialsEndAt(managementCluster, entryOf(managementCluster), read);
    },
  };
}

/**
 * The text of a kubeconfig file; ConfigurationError with the given remedy when it can't be read, or when another than this user,
 * root and `owners` could write it. Without `owners` it was given by name, and its own is trusted.
 */
export async function readKubeconfigFile(
  source: string,
  remedy: string,
  owners?: readonly number[],
): Promise<KubeconfigText> {
  try {
    refuseUntrusted(source, owners ?? [ownerOf(source)], 'Or give another kubeconfig.');
    return { text: new Secret(await readFile(source, 'utf8')), source };
  } catch (cause) {
    if (cause instanceof ConfigurationError) throw cause;
    const { code } = cause as NodeJS.ErrnoException;
    throw new ConfigurationError(`kubeconfig ${source} can't be read: ${code ?? 'unknown reason'}`, { remedy, cause });
  }
}
