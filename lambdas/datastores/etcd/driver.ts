import { datastoreFile, type DedicatedEtcd } from '../../domain/datastore.ts';
import type { EtcdEntry } from '../../domain/recovery-point.ts';
import type { SnapshotFacts } from '../../domain/snapshot-facts.ts';
import { writeRate, type RecordedRevision } from '../../domain/write-rate.ts';
import type { DatastoreDriver, DatedEntry } from '../driver.ts';
import { NO_LEADER } from './choose-member.ts';
import { compareMembers } from './compare-members.ts';
import { sampleKeys } from './file/key-sample.ts';
import { readSnapshotFile } from './file/snapshot-file.ts';
import { hashMembers } from './hash-members.ts';
import { liveKeys } from './live-keys.ts';
import { withAnyMember } from './reach-member.ts';
import { compareSeal, highestRevision, sealMembers, whyWritten } from './seal.ts';
import { differenceFromLive, differenceFromNothing } from './snapshot-difference.ts';
import { takeSnapshot } from './take-snapshot.ts';
import { unlikeKeys } from './unlike-keys.ts';

/** What an entry says before the file has been read: what the stream told. */
type StreamedEntry = Omit<EtcdEntry, Exclude<keyof SnapshotFacts, 'sizeBytes'>>;

/** An etcd in a StatefulSet of its own: its snapshots are the files that `etcdctl snapshot save` writes, compressed. */
export const etcdDriver: DatastoreDriver<DedicatedEtcd, EtcdEntry, StreamedEntry> = {
  describe: ({ members }) => (members.length === 1 ? '1 etcd member' : `${members.length} etcd members`),

  async take(datastore, { tls, ...reach }, sink) {
    const { name, kind } = datastore;
    const taken = await takeSnapshot({ ...datastore, tls }, { ...reach, ...sink });
    return {
      snapshot: { name, kind, file: datastoreFile(datastore), ...taken, writesPerSecond: null },
      source: taken.memberPod,
      detail: `SHA-256 over ${taken.sizeBytes} bytes equals etcd's trailer`,
    };
  },

  async inspect(file, snapshot, options) {
    // The bytes are those that were taken, and of these the member's trailer vouched for every one.
    const facts = await readSnapshotFile(file, { ...options, trailerVerified: true });
    const { clusterVersion = null, prefix = null, keys, revision } = facts;
    return {
      entry: { ...snapshot, ...facts, clusterVersion, prefix },
      detail: `every page walked: ${keys} keys at revision ${revision}`,
    };
  },

  differences(recorded, found) {
    const compared = {
      revision: [found.revision, recorded.revision],
      'compact revision': [found.compactRevision, recorded.compactRevision],
      keys: [found.keys, recorded.keys],
      'status hash': [found.statusHash, recorded.statusHash],
      'keyspace hash': [found.keyspaceHash.hash, recorded.keyspaceHash.hash],
    } as const;
    return Object.entries(compared)
      .filter(([, [is, expected]]) => is !== expected)
      .map(([what, [is, expected]]) => `${what} is ${is} instead of ${expected}`);
  },

  async compare(file, entry, datastore, { tls, ...reach }) {
    return compareMembers(file, entry, await hashMembers({ ...datastore, tls }, entry.revision, reach));
  },

  isComplete: ({ warnings }) => !warnings.includes(NO_LEADER),

  writeRate: (now, before) => writeRate(revisionOf(now), before && revisionOf(before)),

  async difference(file, live, options) {
    if (live === undefined) return await differenceFromNothing(file, options);
    const { datastore, access } = live;
    return await withAnyMember({ ...datastore, tls: access.tls }, access, async (client) => {
      // Without a leader a member still tells what it has itself.
      const { leaderId } = await client.status();
      return await differenceFromLive(file, liveKeys(client, { serializable: leaderId === '0' }), options);
    });
  },

  sample: sampleKeys,
  unlike: (sample, datastore, { tls, ...reach }) => unlikeKeys(sample, { ...datastore, tls }, reach),
  writeMark: async (datastore, { tls, ...reach }) => String(await highestRevision({ ...datastore, tls }, reach)),
  seal: (mark, datastore, { tls, ...reach }) => sealMembers(Number(mark), { ...datastore, tls }, reach),
  whyWritten: (seal, datastore, { tls, ...reach }) => whyWritten(seal, { ...datastore, tls }, reach),
  compareSeal: (seal, datastore, { tls, ...reach }) => compareSeal(seal, { ...datastore, tls }, reach),
};

function revisionOf({ entry, ...dated }: DatedEntry<EtcdEntry>): RecordedRevision {
  const { clusterId, revision, writesPerSecond } = entry;
  return { ...dated, clusterId, revision, writesPerSecond };
}
