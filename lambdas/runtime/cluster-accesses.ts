import type { Configuration } from '../domain/configuration.ts';
import { ConfigurationError, NotFoundError } from '../domain/errors.ts';
import type { Purpose } from '../domain/purpose.ts';
import { managementClusterAccess, type ClusterAccesses } from '../kube/management-cluster-access.ts';

/** The ways to the management clusters of a deployed configuration for a purpose: secrets and EKS, for there are no files. */
export function deployedAccesses({ managementClusters }: Configuration, purpose: Purpose): ClusterAccesses {
  return {
    purpose,
    namespacesOf: (managementCluster) => managementClusters[managementCluster]?.namespaces,
    async read(managementCluster) {
      const entry = managementClusters[managementCluster];
      if (entry === undefined) {
        throw new NotFoundError(`management cluster ${managementCluster} is not in the deployed configuration`, {
          remedy: 'Add it to lifeboat.yaml and deploy again.',
        });
      }
      return await managementClusterAccess(managementCluster, entry, purpose, (path) =>
        Promise.reject(
          new ConfigurationError(`management cluster ${managementCluster} is given by the file ${path}`, {
            remedy:
              'A function has no such file: store the kubeconfig with "lifeboat enroll --secret", and name the secret.',
          }),
        ),
      );
    },
  };
}
