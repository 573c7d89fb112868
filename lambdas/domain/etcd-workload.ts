import type { Secret } from './secret.ts';

/** One member of an etcd as its platform runs it. */
export interface EtcdMemberPod {
  readonly pod: string;
  /** False while the pod is not running, not ready or going away; such a member is asked last. */
  readonly ready: boolean;
}

/** What a TLS client needs to be let in by every member. PEM texts. */
export interface EtcdClientTls {
  readonly ca: string;
  readonly certificate: string;
  readonly key: Secret;
  /** A name that the members' server certificates carry, although we arrive through a tunnel. */
  readonly serverName: string;
}

/**
 * An etcd as a platform describes it and a datastore room snapshots it: the seam between `platforms/` and
 * `datastores/etcd`. Neither imports the other.
 */
export interface EtcdWorkload {
  /** Name of the datastore inside its control plane: `etcd`, or the shard's name. */
  readonly datastore: string;
  readonly namespace: string;
  readonly members: readonly EtcdMemberPod[];
  readonly clientPort: number;
  readonly tls: EtcdClientTls;
}
