import type { BoltFile, BucketRef } from './bolt-file.ts';
import { leavesOf } from './bolt-tree.ts';
import type { Bitmap } from './bitmap.ts';
import { EtcdRecords } from './etcd-records.ts';

/** etcd has ten buckets; the bound only keeps a damaged file from filling memory with copies of inline ones. */
const MOST_BUCKETS = 1000;

/** The buckets of an etcd file in order of their names, which is the order of the status hash. */
export function bucketsOf(file: BoltFile, ledger: Bitmap): BucketRef[] {
  const buckets: BucketRef[] = [];
  for (const leaf of leavesOf(file, file.root, ledger)) {
    if (buckets.length + leaf.count > MOST_BUCKETS)
      throw file.corrupt(`it adds to over ${MOST_BUCKETS} buckets`, leaf.id);
    for (let index = 0; index < leaf.count; index += 1) buckets.push(file.bucketAt(leaf, index));
  }
  return buckets;
}

/** The bucket with this name; throws CorruptSnapshotError when there is none, since etcd always makes the ones asked for. */
export function bucketNamed(file: BoltFile, buckets: readonly BucketRef[], name: string): BucketRef {
  const bucket = buckets.find((candidate) => candidate.name === name);
  if (bucket === undefined) throw file.corrupt(`it has no bucket "${name}", so it is not an etcd's`);
  return bucket;
}

/**
 * The compact revision, read ahead of the walk: the bucket that has it comes after `key` in order. Its few pages are
 * walked twice for that, on an account of their own.
 */
export function readCompactRevision(file: BoltFile, buckets: readonly BucketRef[]): number {
  const records = new EtcdRecords();
  const meta = bucketNamed(file, buckets, 'meta');
  for (const leaf of leavesOf(file, meta, file.ledger())) {
    file.onPage(leaf.id, () => {
      for (let index = 0; index < leaf.count; index += 1) records.add(meta.name, leaf, index);
    });
  }
  return records.compactRevision;
}
