import { ANEW, enrolmentCommand } from '../domain/enrolment-command.ts';
import { CredentialsRefusedError } from './api-failure.ts';
import type { ClusterAccess } from './cluster-access.ts';
import { checkedAccess, type ClusterAccesses, type FoundAccess } from './management-cluster-access.ts';

/** The access to a management cluster whose kubeconfig may be replaced by somebody while it is in use. */
export interface RenewableAccess {
  readonly current: ClusterAccess;
  /**
   * Gives a newer access than the one whose credentials were refused, for which the kubeconfig is read again; undefined
   * when there is none. Errors of reading and checking it.
   */
  renew(refused: ClusterAccess): Promise<ClusterAccess | undefined>;
}

/** Reads and checks the access to a management cluster. Errors as of `accesses`, and KubeconfigError. */
export async function readRenewableAccess(
  accesses: ClusterAccesses,
  managementCluster: string,
): Promise<RenewableAccess> {
  let found = await accesses.read(managementCluster);
  const enrolled = (access: ClusterAccess): ClusterAccess =>
    accesses.purpose === undefined
      ? access
      : { ...access, enrolment: enrolmentCommand(managementCluster, accesses.purpose, ANEW) };
  let current = enrolled(checkedAccess(found));
  let renewing: Promise<ClusterAccess | undefined> | undefined;
  let readInVain = false;

  async function readAgain(): Promise<ClusterAccess | undefined> {
    accesses.forget?.(managementCluster);
    const again = await accesses.read(managementCluster);
    if (!isNewer(again, found)) {
      readInVain = true;
      return undefined;
    }
    current = enrolled(checkedAccess(again));
    found = again;
    return current;
  }

  return {
    get current() {
      return current;
    },
    async renew(refused) {
      if (refused !== current) return current;
      if (readInVain) return undefined;
      renewing ??= readAgain().finally(() => {
        renewing = undefined;
      });
      return renewing;
    },
  };
}

/** Does the work with the access as it is, and once more with a newer one when its credentials are refused. */
export async function withRenewal<T>(
  renewable: RenewableAccess,
  work: (access: ClusterAccess) => Promise<T>,
): Promise<T> {
  const access = renewable.current;
  try {
    return await work(access);
  } catch (error) {
    if (!(error instanceof CredentialsRefusedError)) throw error;
    const newer = await renewable.renew(access);
    if (newer === undefined) throw error;
    return work(newer);
  }
}

/** Only of kubeconfigs; other credentials are made by us, and made anew by themselves. */
function isNewer(again: FoundAccess, found: FoundAccess): boolean {
  return 'text' in again && !('text' in found && found.text.reveal() === again.text.reveal());
}
