import { readSnapshotFile } from '../datastores/etcd/file/snapshot-file.ts';
import type { MemberHash } from '../datastores/etcd/hash-members.ts';
import { CorruptSnapshotError } from '../domain/errors.ts';
import { formatBytes } from '../domain/format-bytes.ts';
import type { PhaseTimer } from '../domain/progress.ts';
import type { EtcdEntry, Proof } from '../domain/recovery-point.ts';
import type { SnapshotFacts } from '../domain/snapshot-facts.ts';
import { liveProof } from './live-proof.ts';
import type { RecoveryPointPorts } from './ports.ts';
import { unpack, withSpoolFile, type PackedObject } from './unpack.ts';

export interface InspectRequest {
  readonly datastore: string;
  readonly object: PackedObject;
  /** What the manifest says, where there is one already. */
  readonly recorded?: EtcdEntry;
  /** Asks the live members for their hash at a revision; left out where only the bytes are to be checked. */
  readonly askMembers?: (revision: number) => Promise<readonly MemberHash[]>;
}

/**
 * Reads a stored snapshot back and takes the proofs that its bytes allow: `structure`, and `live` when the members can be
 * asked. CorruptSnapshotError when the bytes are not what they must be, or not what the manifest says.
 */
export async function inspectSnapshot(
  { datastore, object, recorded, askMembers }: InspectRequest,
  timer: PhaseTimer,
  ports: RecoveryPointPorts,
): Promise<{ facts: SnapshotFacts; proofs: Proof[] }> {
  const { signal, report, store, clock } = ports;
  const onProgress = (phase: string) => (doneBytes: number, totalBytes: number) => {
    report({ kind: 'bytes', phase, doneBytes, totalBytes });
  };
  return await withSpoolFile(object, async (spool) => {
    await timer.run(
      'read back',
      object.key,
      () => unpack(store, object, spool.writer(), { signal, onProgress: onProgress('read back') }),
      () => `${formatBytes(object.sizeBytes)}, SHA-256 as taken`,
    );
    const facts = await timer.run(
      'structure',
      `datastore ${datastore}`,
      // Unpacking has compared every byte with what the member's trailer vouched for.
      () => readSnapshotFile(spool, { signal, onProgress: onProgress('structure'), trailerVerified: true }),
      ({ keys, revision }) => `every page walked: ${keys} keys at revision ${revision}`,
    );
    const differences = recorded === undefined ? [] : differencesFrom(recorded, facts);
    if (differences.length > 0) {
      throw new CorruptSnapshotError(`${object.key} is not what its manifest says: ${differences.join('; ')}`);
    }
    const structure: Proof = {
      kind: 'structure',
      result: 'passed',
      takenAt: clock().toISOString(),
      datastore,
      detail: `every page walked: ${facts.keys} keys at revision ${facts.revision}`,
    };
    if (askMembers === undefined) return { facts, proofs: [structure] };
    const live = await timer.run(
      'live',
      `datastore ${datastore}`,
      async () => liveProof(datastore, spool, facts, await askMembers(facts.revision), clock()),
      ({ result, detail }) => `${result}: ${detail}`,
    );
    return { facts, proofs: [structure, live] };
  });
}

function differencesFrom(recorded: EtcdEntry, facts: SnapshotFacts): string[] {
  const compared = {
    revision: [facts.revision, recorded.revision],
    'compact revision': [facts.compactRevision, recorded.compactRevision],
    keys: [facts.keys, recorded.keys],
    'status hash': [facts.statusHash, recorded.statusHash],
    'keyspace hash': [facts.keyspaceHash.hash, recorded.keyspaceHash.hash],
  } as const;
  return Object.entries(compared)
    .filter(([, [found, expected]]) => found !== expected)
    .map(([what, [found, expected]]) => `${what} is ${found} instead of ${expected}`);
}
