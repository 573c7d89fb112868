import type { BoltFile } from './bolt-file.ts';
import { leavesOf } from './bolt-tree.ts';
import { bucketNamed, bucketsOf } from './etcd-buckets.ts';
import type { Pacer } from './pacer.ts';
import type { TreePage } from './tree-page.ts';

/** The bucket with the history of all keys. */
export const KEY_BUCKET = 'key';
/** An etcd that never wrote anything is at this revision. */
export const FIRST_REVISION = 1;

/** Visits every entry of the keyspace in order of revisions. */
export async function walkKeyspace(
  file: BoltFile,
  pacer: Pacer,
  visit: (leaf: TreePage, index: number) => void,
): Promise<void> {
  const ledger = file.ledger();
  const keyspace = bucketNamed(file, bucketsOf(file, ledger), KEY_BUCKET);
  for (const leaf of leavesOf(file, keyspace, ledger)) {
    file.onPage(leaf.id, () => {
      for (let index = 0; index < leaf.count; index += 1) visit(leaf, index);
    });
    if (pacer.advance(leaf.view.byteLength)) await pacer.turn();
  }
}

/** Where an etcd that starts on a file continues: compaction may have removed the entry of its newest revision. */
export function newestRevision(lastEntryRevision: number, compactRevision: number): number {
  return Math.max(FIRST_REVISION, lastEntryRevision, compactRevision);
}
