/** A member as the file itself records it. `id` is hexadecimal without leading zeros, as etcdctl prints it. */
export interface SnapshotMember {
  readonly id: string;
  readonly name: string;
  readonly peerUrls: readonly string[];
  readonly clientUrls: readonly string[];
  readonly learner: boolean;
}

/** The value that HashKV gives for a keyspace: equal on every member that serves the same history. */
export interface KeyspaceHash {
  readonly hash: number;
  /** The revision that the hash covers. */
  readonly revision: number;
  /** The last finished compaction, or -1 when there was none. */
  readonly compactRevision: number;
}

/** One way that values of live keys are encrypted at rest, e.g. `aescbc` with key `key1`, `kms-v2` with its provider's name. */
export interface EncryptionUse {
  readonly provider: string;
  readonly key: string;
  /** The id that the KMS gave its key; `kms-v2` only. */
  readonly keyId?: string;
  readonly values: number;
}

/** What reading a snapshot file from end to end tells; every figure comes from the file itself. */
export interface SnapshotFacts {
  /** Size of the file with its 32-byte trailer. */
  readonly sizeBytes: number;
  readonly pageSizeBytes: number;
  /** The revision an etcd restored from this file starts at. */
  readonly revision: number;
  readonly compactRevision: number;
  /** As `meta/storageVersion` says since etcd 3.6, else derived: `3.5` when a term is recorded, `3.4` before. */
  readonly storageVersion: string;
  readonly clusterVersion: string | undefined;
  readonly members: readonly SnapshotMember[];
  /** Ids of members that were removed from the cluster and may never return. */
  readonly removedMembers: readonly string[];
  readonly leases: number;
  /** Live keys at `revision`. */
  readonly keys: number;
  /** Live keys a resource, e.g. `secrets`, `apps/deployments`-like path parts below the prefix. */
  readonly keysByResource: Readonly<Record<string, number>>;
  /** What Kubernetes keys start with, e.g. `/registry`; undefined when there are none. */
  readonly prefix: string | undefined;
  readonly encryption: readonly EncryptionUse[];
  /** CRC-32C over every bucket, as `etcdutl snapshot status` prints it (there in hexadecimal). */
  readonly statusHash: number;
  readonly keyspaceHash: KeyspaceHash;
}
