import * as z from 'zod';
import type { SnapshotMember } from '../../../domain/snapshot-facts.ts';
import { parseJson } from '../../../kube/json.ts';
import { bytesOf, readBigEndianU64 } from './bytes.ts';
import { mainRevision } from './revision-key.ts';
import { PageFault, type TreePage } from './tree-page.ts';

/** etcd's member record. Its `id` is a 64-bit JSON number that JavaScript would round, so the bucket's key is used for that. */
const memberRecord = z.object({
  name: z.string().default(''),
  peerURLs: z.array(z.string()).nullish(),
  clientURLs: z.array(z.string()).nullish(),
  isLearner: z.boolean().default(false),
});

/** What the small buckets of etcd's schema hold, collected entry by entry; everything else in them is only hashed. */
export class EtcdRecords {
  readonly members: SnapshotMember[] = [];
  readonly removedMembers: string[] = [];
  leases = 0;
  clusterVersion: string | undefined;
  storedVersion: string | undefined;
  term = 0;
  /** The last compaction that was begun, and the last that was finished; -1 when there was none. */
  scheduledCompaction = -1;
  finishedCompaction = -1;

  /** The revision below which nothing can be read: etcd finishes a scheduled compaction before it serves. */
  get compactRevision(): number {
    return Math.max(this.scheduledCompaction, this.finishedCompaction);
  }

  /** As etcd 3.6 and newer write it; before, 3.5 is told from 3.4 by the raft term that it records. */
  get storageVersion(): string {
    return this.storedVersion ?? (this.term > 0 ? '3.5' : '3.4');
  }

  /** Takes in the entry `index` of a leaf of `bucket`. */
  add(bucket: string, leaf: TreePage, index: number): void {
    if (leaf.isBucket(index)) throw new PageFault(`entry ${index} is a bucket where etcd keeps values`);
    if (bucket === 'lease') this.leases += 1;
    if (bucket === 'members') this.members.push(memberAt(leaf, index));
    if (bucket === 'members_removed') this.removedMembers.push(keyText(leaf, index));
    if (bucket === 'cluster' && keyText(leaf, index) === 'clusterVersion') this.clusterVersion = valueText(leaf, index);
    if (bucket === 'meta') this.#addMeta(leaf, index);
  }

  #addMeta(leaf: TreePage, index: number): void {
    const start = leaf.keyEnd(index);
    const end = leaf.valueEnd(index);
    const name = keyText(leaf, index);
    if (name === 'storageVersion') this.storedVersion = valueText(leaf, index);
    if (name === 'scheduledCompactRev') this.scheduledCompaction = mainRevision(leaf.view, start, end);
    if (name === 'finishedCompactRev') this.finishedCompaction = mainRevision(leaf.view, start, end);
    if (name !== 'term') return;
    if (end - start !== 8) throw new PageFault('the raft term is malformed');
    this.term = readBigEndianU64(leaf.view, start);
  }
}

function memberAt(leaf: TreePage, index: number): SnapshotMember {
  const record = memberRecord.safeParse(parseJson(valueText(leaf, index)));
  if (!record.success) throw new PageFault(`entry ${index} is not a member's record`);
  const { name, peerURLs, clientURLs, isLearner } = record.data;
  return { id: keyText(leaf, index), name, peerUrls: peerURLs ?? [], clientUrls: clientURLs ?? [], learner: isLearner };
}

function keyText(leaf: TreePage, index: number): string {
  return bytesOf(leaf.view, leaf.keyStart(index), leaf.keyEnd(index)).toString();
}

function valueText(leaf: TreePage, index: number): string {
  return bytesOf(leaf.view, leaf.keyEnd(index), leaf.valueEnd(index)).toString();
}
