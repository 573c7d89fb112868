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
      // Side by side: where a datastore is only read nobody waits for it.
      const [tunnel, right] = await Promise.allSettled([cluster.openTunnel(target, options), mayChange()]);
      if (right.status === 'rejected') {
        if (tunnel.status === 'fulfilled') tunnel.value.destroy();
        throw right.reason;
      }
      if (tunnel.status === 'rejected') throw tunnel.reason;
      return tunnel.value;
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
