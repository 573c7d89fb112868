import type { ClusterAccesses } from './management-cluster-access.ts';

/** For how long a rotated kubeconfig may stay unnoticed, as long as the API server takes the former one. */
const LONGEST_AGE_MILLISECONDS = 5 * 60_000;

type Read = ReturnType<ClusterAccesses['read']>;

/** Remembers what was read of each management cluster for at most five minutes; failures are not remembered. */
export function cachedKubeconfigs(accesses: ClusterAccesses, clock: () => Date): ClusterAccesses {
  const known = new Map<string, { readonly reading: Read; readonly readAt: number }>();
  return {
    purpose: accesses.purpose,
    namespacesOf: (managementCluster) => accesses.namespacesOf?.(managementCluster),
    read(managementCluster) {
      const now = clock().getTime();
      const entry = known.get(managementCluster);
      // A clock that was set back says nothing about the age.
      if (entry !== undefined && entry.readAt <= now && now - entry.readAt < LONGEST_AGE_MILLISECONDS) {
        return entry.reading;
      }
      const fresh = { reading: accesses.read(managementCluster), readAt: now };
      known.set(managementCluster, fresh);
      fresh.reading.catch(() => {
        if (known.get(managementCluster) === fresh) known.delete(managementCluster);
      });
      return fresh.reading;
    },
    forget(managementCluster) {
      known.delete(managementCluster);
      accesses.forget?.(managementCluster);
    },
  };
}
