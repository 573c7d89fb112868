import type { Secret } from '../domain/secret.ts';

/** A kubeconfig's text and where it came from, for messages. */
export interface KubeconfigText {
  readonly text: Secret;
  readonly source: string;
}

/** Gives the kubeconfig of a management cluster: from a file, or from Secrets Manager. */
export interface Kubeconfigs {
  /** ConfigurationError or NotFoundError when there is none, PermissionError when it may not be read. */
  read(managementCluster: string): Promise<KubeconfigText>;
}
