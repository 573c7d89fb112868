import pLimit from 'p-limit';
import { LifeboatError } from '../domain/errors.ts';
import type { CredentialsEnd } from '../domain/policy-status.ts';
import type { Purpose } from '../domain/purpose.ts';
import type { ClusterRunPorts } from '../operations/ports.ts';

/** Kubeconfigs and secrets that are looked at at once. */
const REQUESTS_AT_ONCE = 16;

export type CredentialsPorts = Pick<ClusterRunPorts, 'connect' | 'restoreCredentialsEndAt' | 'report'>;

/**
 * When the accounts on management clusters end, those for backups and those for restores, whether or not a cluster answers: one
 * whose token is over does not. Nothing is said of an end that is not known.
 */
export async function readCredentials(
  managementClusters: readonly string[],
  { connect, restoreCredentialsEndAt, report }: CredentialsPorts,
): Promise<CredentialsEnd[]> {
  const looks: Readonly<Record<Purpose, (managementCluster: string) => Promise<Date | null>>> = {
    backup: async (managementCluster) => (await connect(managementCluster)).credentialsEndAt,
    restore: restoreCredentialsEndAt,
  };
  const accounts = managementClusters.flatMap((managementCluster) =>
    (Object.keys(looks) as Purpose[]).map((purpose) => ({ managementCluster, purpose })),
  );
  const ends = await pLimit(REQUESTS_AT_ONCE).map(accounts, async ({ managementCluster, purpose }) => {
    try {
      const endAt = await looks[purpose](managementCluster);
      return endAt === null ? [] : [{ managementCluster, purpose, endAt }];
    } catch (error) {
      if (!(error instanceof LifeboatError)) throw error;
      const text = `when the credentials for ${purpose}s on ${managementCluster} end is not known: ${error.message}`;
      report({ kind: 'note', text });
      return [];
    }
  });
  return ends.flat();
}
