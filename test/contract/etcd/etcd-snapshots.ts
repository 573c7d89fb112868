import { randomBytes } from 'node:crypto';
import { copyFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { requireCommand } from '../../testbed/command.ts';
import { type EtcdOptions, etcdPrograms, type EtcdVersion, startEtcd, type TestEtcd } from '../../testbed/etcd.ts';
import { waitFor } from '../../testbed/waiting.ts';

/** What a live member says of its keyspace. */
export interface LiveHash {
  readonly hash: number;
  readonly compactRevision: number;
}

const statusSchema = z.object({
  hash: z.number(),
  revision: z.number(),
  totalKey: z.number(),
  totalSize: z.number(),
  /** Since 3.6; empty for a file without a storage version. */
  version: z.string().default(''),
});
const fileHashSchema = z.object({ hash: z.number(), hashRevision: z.number(), compactRevision: z.number() });
const liveHashSchema = z.array(z.object({ HashKV: z.object({ hash: z.number(), compact_revision: z.number() }) }));

const memberStatusSchema = z.array(z.object({ Status: z.object({ storageVersion: z.string().optional() }) }));

const running = new Set<TestEtcd>();

/** Runs `work` with an etcd that is ended afterwards, whatever comes of it. */
export async function withEtcd<T>(options: EtcdOptions, work: (etcd: TestEtcd) => Promise<T>): Promise<T> {
  const etcd = await startEtcd(options);
  running.add(etcd);
  try {
    return await work(etcd);
  } finally {
    running.delete(etcd);
    await etcd.stop();
  }
}

/** For `afterAll`: jest abandons work that took too long, and its etcd would outlive the run. */
export async function stopAbandoned(): Promise<void> {
  await Promise.all([...running].map((etcd) => etcd.stop()));
}

/** `etcdutl snapshot status` of a version. */
export async function snapshotStatus(version: EtcdVersion, path: string): Promise<z.infer<typeof statusSchema>> {
  const etcdutl = join(await etcdPrograms(version), 'etcdutl');
  return statusSchema.parse(JSON.parse(await requireCommand(etcdutl, ['snapshot', 'status', path, '-w', 'json'])));
}

/** `etcdutl hashkv`, which 3.5 does not have yet. It opens the file for writing, hence the copy. */
export async function fileHash(path: string, revision = 0): Promise<z.infer<typeof fileHashSchema>> {
  const etcdutl = join(await etcdPrograms('3.6.5'), 'etcdutl');
  const copy = `${path}.copy`;
  await copyFile(path, copy);
  try {
    const printed = await requireCommand(etcdutl, ['hashkv', copy, '--rev', String(revision), '-w', 'json']);
    return fileHashSchema.parse(JSON.parse(printed));
  } finally {
    await rm(copy);
  }
}

/** HashKV of every member, at a revision or the current one. */
export async function liveHashes(etcd: TestEtcd, revision = 0): Promise<LiveHash[]> {
  const printed = await etcd.etcdctl(['endpoint', 'hashkv', '--rev', String(revision), '-w', 'json']);
  return liveHashSchema
    .parse(JSON.parse(printed))
    .map(({ HashKV }) => ({ hash: HashKV.hash, compactRevision: HashKV.compact_revision }));
}

/** Waits until every member of an etcd 3.6 has recorded its storage version, which it does seconds after the start. */
export async function storageVersionWritten(etcd: TestEtcd): Promise<void> {
  const written = async () => {
    const members = memberStatusSchema.parse(JSON.parse(await etcd.etcdctl(['endpoint', 'status', '-w', 'json'])));
    return members.every(({ Status }) => Status.storageVersion !== undefined);
  };
  await waitFor('the storage version', written, { timeoutSeconds: 60, intervalMilliseconds: 300 });
}

export interface Operation {
  readonly key: string;
  /** No value is a deletion. */
  readonly value?: Uint8Array | string;
  readonly lease?: string;
}

/** Does the operations in one transaction and returns its revision. */
export async function transact(etcd: TestEtcd, operations: readonly Operation[]): Promise<number> {
  const base64 = (bytes: Uint8Array | string) => Buffer.from(bytes).toString('base64');
  const success = operations.map(({ key, value, lease }) =>
    value === undefined
      ? { request_delete_range: { key: base64(key) } }
      : { request_put: { key: base64(key), value: base64(value), ...(lease === undefined ? {} : { lease }) } },
  );
  return await etcd.call('kv/txn', { success });
}

/**
 * About 20 MB of history: values of all sizes from nothing to 1.4 MB (over three hundred pages), some written again, some
 * deleted, some transactions with many operations.
 */
export async function fillWithHistory(etcd: TestEtcd): Promise<void> {
  const random = randomBytes(1_400_000);
  for (let round = 0; round < 60; round += 1) {
    const operations = Array.from({ length: 100 }, (_, index) => ({
      key: `/registry/${index % 3 === 0 ? 'secrets' : 'configmaps'}/namespace-${index % 7}/name-${round % 20}-${index}`,
      value: random.subarray(0, (index * 67 + round * 13) % 6000),
    }));
    await transact(etcd, operations);
    if (round % 5 === 4)
      await transact(
        etcd,
        operations.slice(0, 30).map(({ key }) => ({ key })),
      );
  }
  await transact(etcd, [{ key: '/registry/configmaps/large/one', value: random }]);
  await transact(etcd, [{ key: '/registry/configmaps/large/two', value: random.subarray(0, 40_000) }]);
}
