import { create, toBinary, type MessageInitShape } from '@bufbuild/protobuf';
import { KeyValueSchema } from '../../../lambdas/datastores/etcd/wire/generated/etcd/api/mvccpb/kv_pb.ts';
import type { BucketContents } from './bolt-writer.ts';

/** One change of a transaction; no value is a deletion. */
export interface Change {
  readonly key: string;
  readonly value: Buffer | undefined;
}

/** One entry of the `key` bucket, with what it says. */
export interface HistoryEntry {
  readonly main: number;
  readonly userKey: string;
  readonly deletes: boolean;
  readonly key: Buffer;
  readonly value: Buffer;
}

/** The entries that an etcd writes for transactions, from revision 2 on; deleting what does not exist writes nothing. */
export function entriesOf(transactions: readonly (readonly Change[])[]): HistoryEntry[] {
  const live = new Map<string, { created: number; version: number }>();
  const entries: HistoryEntry[] = [];
  let main = 1;
  for (const transaction of transactions) {
    const changes = transaction.filter(({ key, value }) => value !== undefined || live.has(key));
    if (changes.length > 0) main += 1;
    for (const [sub, { key, value }] of changes.entries()) {
      const before = live.get(key) ?? { created: main, version: 0 };
      const now = { created: before.created, version: before.version + 1 };
      if (value === undefined) live.delete(key);
      else live.set(key, now);
      entries.push({
        main,
        userKey: key,
        deletes: value === undefined,
        key: revisionKey(main, sub, value === undefined),
        value: keyValue({
          key: Buffer.from(key),
          ...(value !== undefined && {
            createRevision: BigInt(now.created),
            modRevision: BigInt(main),
            version: BigInt(now.version),
            value,
          }),
        }),
      });
    }
  }
  return entries;
}

/** A record of the `key` bucket. */
export function keyValue(fields: MessageInitShape<typeof KeyValueSchema>): Buffer {
  return Buffer.from(toBinary(KeyValueSchema, create(KeyValueSchema, fields)));
}

/** `<main>_<sub>` as etcd writes it, with a `t` after it for a deletion. */
export function revisionKey(main: number, sub: number, deletes = false): Buffer {
  const key = Buffer.alloc(17);
  key.writeBigUInt64BE(BigInt(main), 0);
  key.write('_', 8);
  key.writeBigUInt64BE(BigInt(sub), 9);
  return deletes ? Buffer.concat([key, Buffer.from('t')]) : key;
}

/**
 * What a compaction leaves: of each key's entries up to it only the last, and that not when it is a deletion before it.
 * A deletion exactly at it is kept by 3.5.16 and newer and removed by older versions.
 */
export function compact(entries: readonly HistoryEntry[], at: number, keepsDeletionAtIt: boolean): HistoryEntry[] {
  const last = new Map(entries.filter(({ main }) => main <= at).map((entry) => [entry.userKey, entry]));
  return entries.filter((entry) => {
    if (entry.main > at) return true;
    if (last.get(entry.userKey) !== entry) return false;
    return !entry.deletes || (keepsDeletionAtIt && entry.main === at);
  });
}

/** The keys that have a value at a revision. */
export function liveKeys(entries: readonly HistoryEntry[], revision: number): Map<string, HistoryEntry> {
  const last = new Map(entries.filter(({ main }) => main <= revision).map((entry) => [entry.userKey, entry]));
  return new Map([...last].filter(([, entry]) => !entry.deletes));
}

/** HashKV as etcd's own description has it: collect what is kept, then hash in order. */
export function hashKV(entries: readonly HistoryEntry[], revision: number, compactRevision: number): number {
  const kept = new Set(liveKeys(entries, revision).values());
  const hashed = entries.filter((entry) => {
    if (entry.main > revision) return false;
    if (entry.main <= compactRevision && kept.size > 0 && !kept.has(entry)) return false;
    return !(entry.main === compactRevision && entry.deletes);
  });
  return crcBitByBit(Buffer.concat([Buffer.from('key'), ...hashed.flatMap(({ key, value }) => [key, value])]));
}

/** CRC-32C by its definition. */
export function crcBitByBit(bytes: Buffer): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  }
  return ~crc >>> 0;
}

/** The buckets of an etcd with this history. */
export function etcdBuckets(
  entries: readonly HistoryEntry[],
  compaction: { finished?: number; scheduled?: number } = {},
  others: BucketContents = {},
): BucketContents {
  const { finished, scheduled } = compaction;
  return {
    alarm: {},
    auth: {},
    authRoles: {},
    authUsers: {},
    cluster: {},
    key: Object.fromEntries(entries.map(({ key, value }) => [key.toString('latin1'), value])),
    lease: {},
    members: {},
    members_removed: {},
    meta: {
      ...(finished === undefined ? {} : { finishedCompactRev: revisionKey(finished, 0) }),
      ...(scheduled === undefined ? {} : { scheduledCompactRev: revisionKey(scheduled, 0) }),
    },
    ...others,
  };
}
