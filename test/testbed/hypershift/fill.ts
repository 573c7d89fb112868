import { createCipheriv, createHash } from 'node:crypto';
import { TestbedError } from '../errors.ts';
import { EtcdWriter, type WriteOperation, type WriterTls } from './etcd-writer.ts';
import type { HostedCluster } from './hosted-cluster.ts';

/** An etcd that can be filled: how its etcdctl is run against every member, and what lets a client in. */
interface FillTarget {
  readonly tls?: WriterTls;
  readonly etcdctl: (args: readonly string[]) => Promise<string>;
}

export interface FillOptions {
  /** The size of the database file to reach; it ends a few per cent above. */
  readonly databaseBytes: number;
  /** Same seed, same keys and values. */
  readonly seed: number;
  /** Every key begins with it; default `/fill/`, which Kubernetes never reads. */
  readonly prefix?: string;
  /** Small keys that are deleted again, and so are tombstones in the file. */
  readonly tombstones?: number;
  /** Leases, each with one key. They last a day. */
  readonly leases?: number;
  /** Compacts at the newest revision, which removes the tombstones, and defragments every member. */
  readonly compact?: boolean;
}

const BULK_VALUE_BYTES = [100_000, 500_000] as const;
/** Values of less than a page, about a page, and several pages: a file reader meets all three. */
const SMALL_VALUE_BYTES = [40, 1_500, 4_000, 5_000, 20_000] as const;
const SMALL_KEYS_A_BATCH = 20;
const LEASE_TTL_SECONDS = 24 * 3600;
const CONCURRENCY = 4;
/** etcd takes at most 128 in one transaction. */
const OPERATIONS_A_BATCH = 100;
const BLOCK_BYTES = 1024;
const FILLER = Buffer.alloc(
  BLOCK_BYTES,
  '{"apiVersion":"v1","kind":"ConfigMap","data":{"half of this is repetition":"true"}}\n',
);

/** Bytes decided by seed and key: every other block random, the rest repetition, so that it compresses as real data does. */
function content(seed: number, key: string, size: number): Buffer {
  const secret = createHash('sha256').update(`${seed}\0${key}`).digest();
  const bytes = createCipheriv('aes-128-ctr', secret.subarray(0, 16), secret.subarray(16)).update(Buffer.alloc(size));
  for (let offset = BLOCK_BYTES; offset < size; offset += 2 * BLOCK_BYTES) FILLER.copy(bytes, offset);
  return bytes;
}

/** Batches of a fixed order: a bulk value each, and a few small ones beside it. */
function* bulkBatches(seed: number, prefix: string, totalBytes: number, first: number): Generator<WriteOperation[]> {
  let written = 0;
  for (let batch = first; written < totalBytes; batch += 1) {
    const [smallest, largest] = BULK_VALUE_BYTES;
    const bulkKey = `${prefix}bulk/${String(batch).padStart(8, '0')}`;
    const bulkBytes = smallest + (createHash('sha256').update(bulkKey).digest().readUInt32BE() % (largest - smallest));
    const sizes = Array.from(
      { length: SMALL_KEYS_A_BATCH },
      (_, index) => SMALL_VALUE_BYTES[index % SMALL_VALUE_BYTES.length] ?? 0,
    );
    const operations: WriteOperation[] = sizes.map((size, index) => {
      const put = `${prefix}small/${String(batch).padStart(8, '0')}-${index}`;
      return { put, value: content(seed, put, size) };
    });
    // A store too small for a bulk value is made of small ones.
    if (written + bulkBytes <= totalBytes) operations.push({ put: bulkKey, value: content(seed, bulkKey, bulkBytes) });
    written += operations.reduce((sum, operation) => sum + ('put' in operation ? operation.value.length : 0), 0);
    yield operations;
  }
}

async function writeAll(writer: EtcdWriter, batches: Iterator<WriteOperation[]>): Promise<number> {
  let count = 0;
  const work = async (): Promise<void> => {
    for (let next = batches.next(); next.done !== true; next = batches.next()) {
      count += 1;
      await writer.write(next.value);
    }
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, work));
  return count;
}

interface EndpointStatus {
  readonly Endpoint: string;
  readonly Status: {
    readonly dbSize: number;
    readonly leader: number;
    readonly header: { readonly revision: number; readonly member_id: number };
  };
}

interface StoreStatus {
  /** Of the smallest member. */
  readonly databaseBytes: number;
  readonly revision: number;
  /** Writing to a follower would send everything over the network twice. */
  readonly leaderUrl: string;
}

async function readStatus(target: FillTarget): Promise<StoreStatus> {
  const endpoints = JSON.parse(await target.etcdctl(['endpoint', 'status', '--write-out=json'])) as EndpointStatus[];
  const leader = endpoints.find(({ Status }) => Status.leader === Status.header.member_id);
  if (leader === undefined) throw new TestbedError('the etcd to fill has no leader');
  return {
    databaseBytes: Math.min(...endpoints.map(({ Status }) => Status.dbSize)),
    revision: leader.Status.header.revision,
    leaderUrl: leader.Endpoint,
  };
}

function* tombstoneBatches(seed: number, prefix: string, count: number): Generator<WriteOperation[]> {
  const keys = Array.from({ length: count }, (_, index) => `${prefix}gone/${index}`);
  for (let first = 0; first < count; first += OPERATIONS_A_BATCH) {
    const batch = keys.slice(first, first + OPERATIONS_A_BATCH);
    yield batch.map((key) => ({ put: key, value: content(seed, key, 100) }));
    yield batch.map((key) => ({ delete: key }));
  }
}

async function writeLeases(writer: EtcdWriter, seed: number, prefix: string, count: number): Promise<void> {
  for (let index = 0; index < count; index += 1) {
    const key = `${prefix}leased/${index}`;
    const lease = createHash('sha256').update(`${seed}\0${key}`).digest().readBigUInt64BE() >> 1n;
    await writer.grantLease(lease, LEASE_TTL_SECONDS);
    await writer.write([{ put: key, value: content(seed, key, 100), lease }]);
  }
}

async function compactAndDefragment(target: FillTarget): Promise<void> {
  const { revision } = await readStatus(target);
  await target.etcdctl(['compact', '--physical', String(revision)]);
  await target.etcdctl(['defrag', '--command-timeout=120s']);
}

/** Fills an etcd with seeded content; the database file of every member is at least `databaseBytes` afterwards. */
async function fillEtcd(target: FillTarget, options: FillOptions): Promise<void> {
  const { databaseBytes, seed, prefix = '/fill/', tombstones = 0, leases = 0, compact = false } = options;
  let status = await readStatus(target);
  const writer = await EtcdWriter.connect(status.leaderUrl, target.tls);
  try {
    // One after the other, for what is deleted must have been written before.
    for (const batch of tombstoneBatches(seed, prefix, tombstones)) await writer.write(batch);
    await writeLeases(writer, seed, prefix, leases);
    let batches = 0;
    do {
      batches += await writeAll(writer, bulkBatches(seed, prefix, databaseBytes - status.databaseBytes, batches));
      if (compact) await compactAndDefragment(target);
      status = await readStatus(target);
    } while (status.databaseBytes < databaseBytes);
  } finally {
    writer.close();
  }
}

/** Fills the etcd of a hosted cluster through the address of its leader's pod. */
export async function fillHostedEtcd(hosted: HostedCluster, options: FillOptions): Promise<void> {
  const tls = await hosted.etcdCredentials();
  await fillEtcd({ tls, etcdctl: (args) => hosted.etcdctl(args) }, options);
}
