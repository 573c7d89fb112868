import { closeSync, fstatSync, openSync } from 'node:fs';
import { NotFoundError, RevisionUnavailableError } from '../../../domain/errors.ts';
import type { KeyspaceHash, SnapshotFacts } from '../../../domain/snapshot-facts.ts';
import { BoltFile } from './bolt-file.ts';
import { checkFreelist } from './bolt-freelist.ts';
import { leavesOf } from './bolt-tree.ts';
import { corruptFile } from './corrupt-file.ts';
import { checksumOf, INITIAL_REGISTER, updateRegister } from './crc32c.ts';
import { bucketNamed, bucketsOf, readCompactRevision } from './etcd-buckets.ts';
import { EtcdRecords } from './etcd-records.ts';
import { KeyInventory } from './key-inventory.ts';
import { KeyspaceScan } from './keyspace-scan.ts';
import { Pacer, type ReadingOptions } from './pacer.ts';
import { FilePageSource } from './page-source.ts';
import { TRAILER_BYTES, verifyTrailer } from './trailer.ts';

export interface SnapshotReadingOptions extends ReadingOptions {
  /** Leaves out the SHA-256 over the file, for a caller that compared it with the trailer while writing the file. */
  readonly trailerVerified?: boolean | undefined;
}

/** The bucket with the history of all keys. */
const KEY_BUCKET = 'key';
/** An etcd that never wrote anything is at this revision. */
const FIRST_REVISION = 1;

/**
 * Reads an etcd snapshot file (a bbolt file and its 32-byte SHA-256) from end to end and tells what is in it. Everything
 * is checked on the way: the file's length, the hash at its end, every page that the tree reaches, the order of all
 * keys, the form of every record. Memory stays below some 100 MB whatever the file's size, plus 50 MB a million keys.
 *
 * Throws NotFoundError when the file cannot be opened, and CorruptSnapshotError, which names the page, for the first
 * thing that is not as etcd writes it.
 */
export async function readSnapshotFile(path: string, options: SnapshotReadingOptions = {}): Promise<SnapshotFacts> {
  return await withSnapshot(path, async (source, file) => {
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
  path: string,
  revision: number,
  compactRevision: number,
  options: ReadingOptions = {},
): Promise<KeyspaceHash> {
  return await withSnapshot(path, async (source, file) => {
    const pacer = new Pacer(options, source.sizeBytes);
    await pacer.turn();
    const ledger = file.ledger();
    const buckets = bucketsOf(file, ledger);
    const compacted = readCompactRevision(file, buckets);
    const scan = new KeyspaceScan(compactRevision, revision);
    for (const leaf of leavesOf(file, bucketNamed(file, buckets, KEY_BUCKET), ledger)) {
      file.onPage(leaf.id, () => {
        for (let index = 0; index < leaf.count; index += 1) scan.add(leaf, index);
      });
      if (pacer.advance(leaf.view.byteLength)) await pacer.turn();
    }
    const newest = newestRevision(scan, compacted);
    if (compactRevision < compacted || revision < compactRevision || revision > newest) {
      throw new RevisionUnavailableError(
        `The snapshot file ${path} holds revisions ${Math.max(compacted, FIRST_REVISION)} to ${newest}, ` +
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
  const revision = newestRevision(scan, compactRevision);
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

/** Where an etcd that starts on this file continues: compaction may have removed the entry of its newest revision. */
function newestRevision(scan: KeyspaceScan, compactRevision: number): number {
  return Math.max(FIRST_REVISION, scan.lastRevision, compactRevision);
}

function updateWithName(register: number, bucket: string): number {
  const name = Buffer.from(bucket, 'latin1');
  return updateRegister(register, new DataView(name.buffer, name.byteOffset, name.byteLength), 0, name.byteLength);
}

async function withSnapshot<T>(path: string, work: (source: FilePageSource, file: BoltFile) => Promise<T>): Promise<T> {
  const descriptor = openFile(path);
  try {
    const source = new FilePageSource(path, descriptor, fstatSync(descriptor).size);
    const file = new BoltFile(source);
    const expected = file.meta.highWater * file.meta.pageSizeBytes + TRAILER_BYTES;
    if (source.sizeBytes !== expected) {
      throw corruptFile(
        path,
        `it is ${source.sizeBytes} bytes long and should be ${expected}, the hash at its end included`,
      );
    }
    return await work(source, file);
  } finally {
    closeSync(descriptor);
  }
}

function openFile(path: string): number {
  try {
    return openSync(path, 'r');
  } catch (cause) {
    throw new NotFoundError(`The snapshot file ${path} cannot be opened.`, {
      remedy: 'Check that the path is right and that the file may be read.',
      cause,
    });
  }
}
