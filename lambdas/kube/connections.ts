import { connectCluster, type Cluster } from './cluster.ts';
import type { ClusterAccesses } from './management-cluster-access.ts';

/** The management clusters that a piece of work reaches: each is connected once, all are closed together. */
export interface Connections {
  readonly connect: (managementCluster: string) => Promise<Cluster>;
  readonly close: () => void;
}

/** Connects on demand; a management cluster that could not be connected is tried again when it is asked for again. */
export function openConnections(accesses: ClusterAccesses): Connections {
  const clusters = new Map<string, Promise<Cluster>>();
  return {
    connect(managementCluster) {
      const known = clusters.get(managementCluster);
      if (known !== undefined) return known;
      const connecting = connectCluster(accesses, managementCluster);
      clusters.set(managementCluster, connecting);
      connecting.catch(() => clusters.delete(managementCluster));
      return connecting;
    },
    close() {
      for (const connecting of clusters.values()) {
        connecting.then(
          (cluster) => {
            cluster.close();
          },
          () => undefined,
        );
      }
    },
  };
}
