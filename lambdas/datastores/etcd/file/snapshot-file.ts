import { RevisionUnavailableError } from '../../../domain/errors.ts';
import type { KeyspaceHash, SnapshotFacts } from '../../../domain/snapshot-facts.ts';
import type { BoltFile } from './bolt-file.ts';
import { checkFreelist } from './bolt-freelist.ts';
import { leavesOf } from './bolt-tree.ts';
import { checksumOf, INITIAL_REGISTER, updateRegister } from './crc32c.ts';
import { bucketNamed, bucketsOf, readCompactRevision } from './etcd-buckets.ts';
import { EtcdRecords } from './etcd-records.ts';
import { KeyInventory } from './key-inventory.ts';
import { KeyspaceScan } from './keyspace-scan.ts';
import { FIRST_REVISION, KEY_BUCKET, newestRevision, walkKeyspace } from './keyspace-walk.ts';
import { type SnapshotFile, withSnapshot } from './open-snapshot.ts';
import { Pacer, type ReadingOptions } from './pacer.ts';
import { verifyTrailer } from './trailer.ts';

export interface SnapshotReadingOptions extends ReadingOptions {
  /** Leaves out the SHA-256 over the file, for a caller that compared it with the trailer while writing the file. */
  readonly trailerVerified?: boolean | undefined;
}

/**
 * Reads an etcd snapshot file (a bbolt file and its 32-byte SHA-256) from end to end and tells what is in it. Everything
 * is checked on the way: the file's length, the hash at its end, every page that the tree reaches, the order of all
 * keys, the form of every record. Memory stays below some 100 MB whatever the file's size, plus 50 MB a million keys.
 *
 * Throws NotFoundError when the file cannot be opened, and CorruptSnapshotError, which names the page, for the first
 * thing that is not as etcd writes it.
 */
export async function readSnapshotFile(
  snapshot: SnapshotFile,
  options: SnapshotReadingOptions = {},
): Promise<SnapshotFacts> {
  return await withSnapshot(snapshot, async (source, file) => {
    const passes = options.trailerVerified === true ? 1 : 2;
    const pacer = new Pacer(options, passes * source.sizeBytes);
    await pacer.turn();
    if (options.trailerVerified !== true) await verifyTrailer(source, pacer);
    const contents = await readContents(file, pacer);
    pacer.finish();
    return { sizeBytes: source.sizeBytes, pageSizeBytes: file.meta.pageSizeBytes, ...contents };
  });
}

/**
 * HashKV of the keyspace in a snapshot file as a member would give it at `revision` if its last compaction were
 * `compactRevision`: for comparing with a member that compacted after the snapshot was taken. Reads the keyspace only;
 * the file is expected to have been through `readSnapshotFile`.
 *
 * Throws RevisionUnavailableError unless the file's compact revision <= compactRevision <= revision <= the file's revision.
 */
export async function hashKeyspace(
  snapshot: SnapshotFile,
  revision: number,
  compactRevision: number,
  options: ReadingOptions = {},
): Promise<KeyspaceHash> {
  return await withSnapshot(snapshot, async (source, file) => {
    const pacer = new Pacer(options, source.sizeBytes);
    await pacer.turn();
    const compacted = readCompactRevision(file, bucketsOf(file, file.ledger()));
    const scan = new KeyspaceScan(compactRevision, revision);
    await walkKeyspace(file, pacer, (leaf, index) => {
      scan.add(leaf, index);
    });
    const newest = newestRevision(scan.lastRevision, compacted);
    if (compactRevision < compacted || revision < compactRevision || revision > newest) {
      throw new RevisionUnavailableError(
        `The snapshot file ${source.path} holds revisions ${Math.max(compacted, FIRST_REVISION)} to ${newest}, ` +
          `not revision ${revision} after a compaction at ${compactRevision}.`,
        { remedy: 'Compare at the revision of the snapshot, or take a new snapshot and compare that.' },
      );
    }
    pacer.finish();
    return scan.hash(revision);
  });
}

async function readContents(file: BoltFile, pacer: Pacer): Promise<Omit<SnapshotFacts, 'sizeBytes' | 'pageSizeBytes'>> {
  const ledger = file.ledger();
  const buckets = bucketsOf(file, ledger);
  bucketNamed(file, buckets, KEY_BUCKET);
  const compactRevision = readCompactRevision(file, buckets);
  const records = new EtcdRecords();
  const inventory = new KeyInventory();
  const scan = new KeyspaceScan(compactRevision);
  let register = INITIAL_REGISTER;
  for (const bucket of buckets) {
    register = updateWithName(register, bucket.name);
    const isKeyspace = bucket.name === KEY_BUCKET;
    if (isKeyspace) scan.begin(register);
    for (const leaf of leavesOf(file, bucket, ledger)) {
      file.onPage(leaf.id, () => {
        for (let index = 0; index < leaf.count; index += 1) {
          if (!isKeyspace) {
            records.add(bucket.name, leaf, index);
            register = updateRegister(register, leaf.view, leaf.keyStart(index), leaf.valueEnd(index));
          } else if (scan.add(leaf, index)) inventory.observe(leaf.view, scan.entry);
        }
      });
      if (isKeyspace) register = scan.register;
      if (pacer.advance(leaf.view.byteLength)) await pacer.turn();
    }
  }
  checkFreelist(file, ledger);
  const revision = newestRevision(scan.lastRevision, compactRevision);
  return {
    revision,
    compactRevision,
    storageVersion: records.storageVersion,
    clusterVersion: records.clusterVersion,
    members: records.members,
    removedMembers: records.removedMembers,
    leases: records.leases,
    ...inventory.summarise(scan.keys, (key) => scan.isLive(key)),
    statusHash: checksumOf(register),
    keyspaceHash: scan.hash(revision),
  };
}

function updateWithName(register: number, bucket: string): number {
  const name = Buffer.from(bucket, 'latin1');
  return updateRegister(register, new DataView(name.buffer, name.byteOffset, name.byteLength), 0, name.byteLength);
}
