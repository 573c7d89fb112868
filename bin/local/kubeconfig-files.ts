import { readFile } from 'node:fs/promises';
import { ConfigurationError } from '../../lambdas/domain/errors.ts';
import { Secret } from '../../lambdas/domain/secret.ts';
import type { Kubeconfigs } from '../../lambdas/kube/kubeconfigs.ts';
import type { LoadedConfiguration } from './configuration-file.ts';

/** The kubeconfigs that `lifeboat.yaml` names: files, or secrets where it says so. */
export function configuredKubeconfigs(loaded: LoadedConfiguration): Kubeconfigs {
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
      if ('secret' in entry) {
        // Only here, for most configurations have no use for the client of Secrets Manager.
        const { secretsManagerKubeconfigs } = await import('../../lambdas/kube/secrets-manager-kubeconfigs.ts');
        return await secretsManagerKubeconfigs().read(entry.secret);
      }
      const source = loaded.resolvePath(entry.kubeconfig);
      try {
        return { text: new Secret(await readFile(source, 'utf8')), source };
      } catch (cause) {
        const { code } = cause as NodeJS.ErrnoException;
        throw new ConfigurationError(
          `kubeconfig ${source} of ${managementCluster} can't be read: ${code ?? 'unknown reason'}`,
          {
            remedy: `Correct managementClusters.${managementCluster}.kubeconfig in ${loaded.file}.`,
            cause,
          },
        );
      }
    },
  };
}
