import type { DedicatedEtcd } from './datastore.ts';
import type { Secret } from './secret.ts';

/** What a TLS client needs to be let in by every member. PEM texts. */
export interface EtcdClientTls {
  readonly ca: string;
  readonly certificate: string;
  readonly key: Secret;
  /** A name that the members' server certificates carry, although we arrive through a tunnel. */
  readonly serverName: string;
}

/** An etcd and what lets us into it. */
export interface EtcdWorkload extends DedicatedEtcd {
  readonly tls: EtcdClientTls;
}
