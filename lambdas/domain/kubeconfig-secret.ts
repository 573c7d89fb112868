import type { Purpose } from './purpose.ts';

/**
 * Where kubeconfigs lie in Secrets Manager. The functions on AWS may read all secrets below the prefix of their purpose, so that
 * their rights do not grow with the management clusters; those of a backup none of restores.
 */
export const SECRET_PREFIXES: Readonly<Record<Purpose, string>> = {
  backup: 'lifeboat/management-clusters/',
  restore: 'lifeboat/restores/',
};

/** The name of the secret with the kubeconfig of a management cluster for a purpose. */
export function kubeconfigSecretName(managementCluster: string, purpose: Purpose): string {
  return `${SECRET_PREFIXES[purpose]}${managementCluster}`;
}
