import type { Seal } from '../../domain/datastore.ts';
import { DatastoreError } from '../../domain/errors.ts';
import type { EtcdWorkload } from '../../domain/etcd-workload.ts';
import { hashMembers, type MemberHash } from './hash-members.ts';
import { wasWrittenAfter } from './live-keys.ts';
import { withAnyMember, withMember, type Reach } from './reach-member.ts';

type Hash = Pick<Seal, 'hash' | 'compactRevision'>;

/** The highest revision of any member: one that is written to rises on all of them. Errors as of asking each. */
export async function writeMark(workload: EtcdWorkload, reach: Reach): Promise<string> {
  return String(await highestRevision(workload, reach));
}

/** What all members hold at their highest revision. DatastoreError when they do not agree, or one can't be asked. */
export async function sealMembers(workload: EtcdWorkload, reach: Reach): Promise<Seal> {
  const revision = await highestRevision(workload, reach);
  const [first, ...others] = (await hashMembers(workload, revision, reach)).map(toldHash);
  if (first === undefined) throw new DatastoreError(`${workload.name} has no member`);
  const other = others.find(({ hash, compactRevision }) => {
    return hash !== first.hash || compactRevision !== first.compactRevision;
  });
  if (other !== undefined) {
    throw new DatastoreError(`${first.pod} and ${other.pod} do not agree on revision ${revision}`, {
      remedy: 'Wait for a compaction to end on all members; if it stays so, one of them is corrupt.',
    });
  }
  return { revision, hash: first.hash, compactRevision: first.compactRevision };
}

/** Why members do not hold what was sealed; undefined when all that tell do. DatastoreError when none tells. */
export async function whyUnsealed(seal: Seal, workload: EtcdWorkload, reach: Reach): Promise<string | undefined> {
  const { revision } = seal;
  if (await withAnyMember(workload, reach, (client) => wasWrittenAfter(client, revision))) {
    return `datastore ${workload.name} was written to after revision ${revision}`;
  }
  const answers = await hashMembers(workload, revision, reach);
  const told = answers.filter((answer) => 'hash' in answer);
  if (told.length === 0) answers.forEach(toldHash);
  const other = told.find((answer) => isOtherContent(answer, seal));
  return other && `${other.pod} of datastore ${workload.name} does not hold what it held behind the fence`;
}

/** Whether hashes tell that content is another: those of different compactions say nothing. */
export function isOtherContent(found: Hash, sealed: Hash): boolean {
  return found.compactRevision === sealed.compactRevision && found.hash !== sealed.hash;
}

function toldHash(answer: MemberHash): MemberHash & Hash {
  if ('hash' in answer) return answer;
  throw new DatastoreError(`${answer.pod} can't be asked for its hash: ${answer.reason}`);
}

async function highestRevision(workload: EtcdWorkload, reach: Reach): Promise<number> {
  const revisions = await Promise.all(
    workload.members.map(({ pod }) =>
      withMember(workload, pod, reach, async (client) => (await client.status()).revision),
    ),
  );
  return Math.max(...revisions);
}
