import type { Seal } from '../../domain/datastore.ts';
import { DatastoreError } from '../../domain/errors.ts';
import type { EtcdWorkload } from '../../domain/etcd-workload.ts';
import type { SealComparison } from '../driver.ts';
import { hashMembers } from './hash-members.ts';
import { wasWrittenAfter } from './live-keys.ts';
import { withAnyMember, withMember, type Reach } from './reach-member.ts';

type Hash = Pick<Seal, 'hash' | 'compactRevision'>;

/** The highest revision of any member: one that is written to rises on all of them. Errors as of asking each. */
export async function highestRevision(workload: EtcdWorkload, reach: Reach): Promise<number> {
  const revisions = await Promise.all(
    workload.members.map(({ pod }) =>
      withMember(workload, pod, reach, async (client) => (await client.status()).revision),
    ),
  );
  return Math.max(...revisions);
}

/** What all members hold at a revision. DatastoreError when they do not agree, or one can't be asked. */
export async function sealMembers(revision: number, workload: EtcdWorkload, reach: Reach): Promise<Seal> {
  const answers = await hashMembers(workload, revision, reach);
  const [first, ...others] = answers.map((answer) => {
    if ('hash' in answer) return answer;
    throw new DatastoreError(`${answer.pod} can't be asked for its hash: ${answer.reason}`);
  });
  if (first === undefined) throw new DatastoreError(`${workload.name} has no member`);
  const { hash, compactRevision } = first;
  const other = others.find((answer) => answer.hash !== hash || answer.compactRevision !== compactRevision);
  if (other === undefined) return { revision, hash, compactRevision };
  throw new DatastoreError(`${first.pod} and ${other.pod} do not agree on revision ${revision}`, {
    remedy: 'Wait for a compaction to end on all members; if it stays so, one of them is corrupt.',
  });
}

/** Why keys that are there were written after a seal; undefined when none was. Errors as of connecting and reading. */
export async function whyWritten(
  { revision }: Seal,
  workload: EtcdWorkload,
  reach: Reach,
): Promise<string | undefined> {
  const isWritten = await withAnyMember(workload, reach, (client) => wasWrittenAfter(client, revision));
  return isWritten ? `datastore ${workload.name} was written to after revision ${revision}` : undefined;
}

/** Compares every member at the seal's revision; no error but the signal's reason. */
export async function compareSeal(seal: Seal, workload: EtcdWorkload, reach: Reach): Promise<SealComparison> {
  const answers = await hashMembers(workload, seal.revision, reach);
  const other = answers.find((answer) => 'hash' in answer && isOtherContent(answer, seal));
  const untold = answers.find((answer) => 'reason' in answer);
  return {
    ...(other && { other: `${other.pod} of datastore ${workload.name} does not hold what it held behind the fence` }),
    ...(untold && { untold: `${untold.pod} does not tell its hash: ${untold.reason}` }),
  };
}

/** Whether hashes tell that content is another: those of different compactions say nothing. */
export function isOtherContent(found: Hash, sealed: Hash): boolean {
  return found.compactRevision === sealed.compactRevision && found.hash !== sealed.hash;
}
