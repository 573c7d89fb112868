import type { Configuration, ManagementCluster } from '../domain/configuration.ts';
import { ConfigurationError, NotFoundError } from '../domain/errors.ts';
import type { Purpose } from '../domain/purpose.ts';
import {
  managementClusterAccess,
  restoreCredentialsEndAt,
  type ConfiguredAccesses,
} from '../kube/management-cluster-access.ts';

/** The ways to the management clusters of a deployed configuration for a purpose: secrets and EKS, for there are no files. */
export function deployedAccesses({ managementClusters }: Configuration, purpose: Purpose): ConfiguredAccesses {
  const entryOf = (managementCluster: string): ManagementCluster => {
    const entry = managementClusters[managementCluster];
    if (entry !== undefined) return entry;
    throw new NotFoundError(`management cluster ${managementCluster} is not in the deployed configuration`, {
      remedy: 'Add it to lifeboat.yaml and deploy again.',
    });
  };
  const noFileOf = (managementCluster: string) => (path: string) =>
    Promise.reject(
      new ConfigurationError(`management cluster ${managementCluster} is given by the file ${path}`, {
        remedy:
          'A function has no such file: store the kubeconfig with "lifeboat enroll --secret", and name the secret.',
      }),
    );
  return {
    purpose,
    namespacesOf: (managementCluster) => managementClusters[managementCluster]?.namespaces,
    async read(managementCluster) {
      const entry = entryOf(managementCluster);
      return await managementClusterAccess(managementCluster, entry, purpose, noFileOf(managementCluster));
    },
    async restoreCredentialsEndAt(managementCluster) {
      return await restoreCredentialsEndAt(managementCluster, entryOf(managementCluster), noFileOf(managementCluster));
    },
  };
}
