import type { EksAccess } from '../domain/eks-access.ts';
import { ConfigurationError } from '../domain/errors.ts';
import { certificateValidity } from './certificates.ts';
import type { ClusterAccess } from './cluster-access.ts';
import { parseKubeconfig } from './kubeconfig.ts';
import type { KubeconfigText } from './kubeconfigs.ts';

/** What the configuration says of a management cluster. */
export type ManagementClusterEntry =
  { readonly kubeconfig: string } | { readonly secret: string } | { readonly eks: EksAccess };

/** How what an entry refers to is read; each may refuse, where there are no files or no secrets. */
export interface AccessReaders {
  file(path: string): Promise<KubeconfigText>;
  secret(id: string): Promise<KubeconfigText>;
}

/** A kubeconfig that is yet to be checked, or access that needs none. */
export type FoundAccess = KubeconfigText | ClusterAccess;

/** Gives the way to a management cluster. */
export interface ClusterAccesses {
  read(managementCluster: string): Promise<FoundAccess>;
  /** Makes the next `read` go to the source, where something between remembers what was read. */
  forget?(managementCluster: string): void;
}

/**
 * The way to the management cluster of a configuration's entry. Errors: those of the reader; ConfigurationError for an EKS
 * cluster whose certificate authority is none.
 */
export async function managementClusterAccess(
  name: string,
  entry: ManagementClusterEntry,
  readers: AccessReaders,
): Promise<FoundAccess> {
  if ('kubeconfig' in entry) return await readers.file(entry.kubeconfig);
  if ('secret' in entry) return await readers.secret(entry.secret);
  return await eksClusterAccess(name, entry.eks);
}

/** The checked access to a management cluster. KubeconfigError as of {@link parseKubeconfig}. */
export async function readAccess(accesses: ClusterAccesses, managementCluster: string): Promise<ClusterAccess> {
  return checkedAccess(await accesses.read(managementCluster));
}

/** KubeconfigError as of {@link parseKubeconfig}. */
export function checkedAccess(found: FoundAccess): ClusterAccess {
  return 'text' in found ? parseKubeconfig(found.text.reveal(), found.source) : found;
}

async function eksClusterAccess(name: string, eks: EksAccess): Promise<ClusterAccess> {
  const ca = Buffer.from(eks.certificateAuthority, 'base64').toString('utf8');
  try {
    certificateValidity(ca);
  } catch {
    throw new ConfigurationError(`managementClusters.${name}.eks.certificateAuthority holds no certificate`, {
      remedy: 'Put there: aws eks describe-cluster --name <cluster> --query cluster.certificateAuthority.data.',
    });
  }
  // Only here, for most configurations have no use for AWS.
  const { eksTokens } = await import('./eks-token.ts');
  return {
    server: eks.endpoint.replace(/\/+$/, ''),
    ca,
    serverName: undefined,
    credentials: { kind: 'eks', cluster: eks.cluster, token: eksTokens(eks) },
    source: `EKS cluster ${eks.cluster}`,
  };
}
