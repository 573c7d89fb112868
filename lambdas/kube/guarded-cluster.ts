import type { Cluster } from './cluster.ts';

/**
 * The same cluster over the same connections, in which nothing is changed unless `mayChange` resolves at that moment: it is asked
 * before every write, before every attachment, and with every tunnel, through which a datastore is written to. Reads are free.
 */
export function guardCluster(cluster: Cluster, mayChange: () => Promise<void>): Cluster {
  return {
    name: cluster.name,
    api: cluster.api.guardedBy(mayChange),
    get credentialsEndAt() {
      return cluster.credentialsEndAt;
    },
    async openTunnel(target, options) {
      // Before, not beside: a tunnel that nobody listens to yet must not be waited over, its error would end the process.
      await mayChange();
      return await cluster.openTunnel(target, options);
    },
    async attach(target, options) {
      await mayChange();
      return await cluster.attach(target, options);
    },
    close: () => {
      cluster.close();
    },
  };
}
