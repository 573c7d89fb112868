import { accessOf, type ManagementCluster } from '../domain/configuration.ts';
import type { EksAccess } from '../domain/eks-access.ts';
import { ConfigurationError } from '../domain/errors.ts';
import type { Purpose } from '../domain/purpose.ts';
import { certificateValidity } from './certificates.ts';
import { credentialsEndAt, type ClusterAccess } from './cluster-access.ts';
import { parseKubeconfig } from './kubeconfig.ts';
import type { KubeconfigText } from './kubeconfigs.ts';

/** Reads the kubeconfig file that stands at a place of the configuration, or refuses it where there are no files. */
export type ReadKubeconfigFile = (path: string, place: string) => Promise<KubeconfigText>;

/** A kubeconfig that is yet to be checked, or access that needs none. */
export type FoundAccess = KubeconfigText | ClusterAccess;

/** Gives the way to a management cluster. */
export interface ClusterAccesses {
  read(managementCluster: string): Promise<FoundAccess>;
  /** What the accounts are for. */
  readonly purpose?: Purpose | undefined;
  /** Where the account of a management cluster may look for control planes; everywhere when undefined. */
  namespacesOf?(managementCluster: string): readonly string[] | undefined;
  /** Makes the next `read` go to the source, where something between remembers what was read. */
  forget?(managementCluster: string): void;
}

/**
 * The way of a configuration's entry to its management cluster, for a purpose. Errors: those of `readFile` and of Secrets
 * Manager; ConfigurationError for an EKS cluster whose certificate authority is none.
 */
export async function managementClusterAccess(
  name: string,
  entry: ManagementCluster,
  purpose: Purpose,
  readFile: ReadKubeconfigFile,
): Promise<FoundAccess> {
  const { way, path } = accessOf(entry, purpose);
  const place = `managementClusters.${name}${path}`;
  if ('kubeconfig' in way) return await readFile(way.kubeconfig, `${place}.kubeconfig`);
  if ('eks' in way) return await eksClusterAccess(`${place}.eks`, way.eks);
  // Only here, as of EKS: most configurations have no use for AWS.
  const { secretsManagerKubeconfigs } = await import('./secrets-manager-kubeconfigs.ts');
  return await secretsManagerKubeconfigs().read(way.secret);
}

/** The ways of a configuration, of which the ends of those for restores can be told whatever these are for. */
export interface ConfiguredAccesses extends ClusterAccesses {
  /**
   * When the account for restores on a management cluster ends, if it has one; null when that is not known. A secret is not read,
   * only what stands beside it. Errors as of {@link managementClusterAccess}, and KubeconfigError.
   */
  restoreCredentialsEndAt(managementCluster: string): Promise<Date | null>;
}

/** Of a configuration's entry: {@link ConfiguredAccesses}. */
export async function restoreCredentialsEndAt(
  name: string,
  { restore }: ManagementCluster,
  readFile: ReadKubeconfigFile,
): Promise<Date | null> {
  if (restore === undefined || 'eks' in restore) return null;
  if ('kubeconfig' in restore) {
    const place = `managementClusters.${name}.restore.kubeconfig`;
    return credentialsEndAt(checkedAccess(await readFile(restore.kubeconfig, place)));
  }
  const { describedCredentialsEndAt } = await import('./secrets-manager-kubeconfigs.ts');
  return await describedCredentialsEndAt(restore.secret);
}

/** The checked access to a management cluster. KubeconfigError as of {@link parseKubeconfig}. */
export async function readAccess(accesses: ClusterAccesses, managementCluster: string): Promise<ClusterAccess> {
  return checkedAccess(await accesses.read(managementCluster));
}

/** KubeconfigError as of {@link parseKubeconfig}. */
export function checkedAccess(found: FoundAccess): ClusterAccess {
  return 'text' in found ? parseKubeconfig(found.text.reveal(), found.source) : found;
}

async function eksClusterAccess(place: string, eks: EksAccess): Promise<ClusterAccess> {
  const ca = Buffer.from(eks.certificateAuthority, 'base64').toString('utf8');
  try {
    certificateValidity(ca);
  } catch {
    throw new ConfigurationError(`${place}.certificateAuthority holds no certificate`, {
      remedy: 'Put there: aws eks describe-cluster --name <cluster> --query cluster.certificateAuthority.data.',
    });
  }
  const { eksTokens } = await import('./eks-token.ts');
  return {
    server: eks.endpoint.replace(/\/+$/, ''),
    ca,
    serverName: undefined,
    credentials: { kind: 'eks', cluster: eks.cluster, token: eksTokens(eks) },
    source: `EKS cluster ${eks.cluster}`,
  };
}
