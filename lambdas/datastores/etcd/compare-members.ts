import { RevisionUnavailableError } from '../../domain/errors.ts';
import type { EtcdEntry, Proof } from '../../domain/recovery-point.ts';
import type { SnapshotFile } from './file/open-snapshot.ts';
import { hashKeyspace } from './file/snapshot-file.ts';
import type { MemberHash } from './hash-members.ts';

/**
 * The `live` proof: the keyspace hash of the file against what each live member says for the same revision. A member that
 * has compacted since is compared with the hash that the file has under the same compaction. One member that differs
 * refuses the proof; members that could not be asked are named, and none asked at all makes it inconclusive.
 */
export async function compareMembers(
  file: SnapshotFile,
  entry: Pick<EtcdEntry, 'revision' | 'keyspaceHash'>,
  members: readonly MemberHash[],
): Promise<Pick<Proof, 'result' | 'detail'>> {
  const agreeing: string[] = [];
  const differing: string[] = [];
  const notCompared: string[] = [];
  for (const member of members) {
    const expected = 'reason' in member ? member.reason : await expectedHash(file, entry, member.compactRevision);
    if (typeof expected === 'string') notCompared.push(`${member.pod} (${expected})`);
    else ('hash' in member && member.hash === expected ? agreeing : differing).push(member.pod);
  }
  const at = `HashKV at revision ${entry.revision}`;
  const sentences = [
    ...(differing.length > 0 ? [`${at} differs on ${differing.join(', ')}`] : []),
    ...(agreeing.length > 0 ? [`${at} equal on ${agreeing.join(', ')}`] : []),
    ...(notCompared.length > 0 ? [`not compared: ${notCompared.join(', ')}`] : []),
  ];
  return {
    result: differing.length > 0 ? 'refused' : agreeing.length > 0 ? 'passed' : 'inconclusive',
    detail: sentences.join('; '),
  };
}

/** The file's hash under a member's compaction, or why there is none to compare with. */
async function expectedHash(
  file: SnapshotFile,
  { keyspaceHash }: Pick<EtcdEntry, 'keyspaceHash'>,
  compactRevision: number,
): Promise<number | string> {
  if (compactRevision === keyspaceHash.compactRevision) return keyspaceHash.hash;
  try {
    return (await hashKeyspace(file, keyspaceHash.revision, compactRevision)).hash;
  } catch (error) {
    if (error instanceof RevisionUnavailableError) return `it is compacted at ${compactRevision}`;
    throw error;
  }
}
