import { GateError } from '../../../domain/errors.ts';
import type { EtcdInstallation } from '../../../domain/etcd-installation.ts';
import type { EtcdHashKV, EtcdMember, EtcdStatus } from '../wire/messages.ts';

/** What one member says of itself and of the others. */
export interface MemberAnswer {
  readonly pod: string;
  readonly status: EtcdStatus;
  readonly memberList: readonly EtcdMember[];
}

/** What one member says its keyspace hashes to. */
export interface HashedMember extends EtcdHashKV {
  readonly pod: string;
}

const REMEDY = 'Do not let API servers write to it; put the data before back, or restore again.';

/**
 * GateError for what no waiting heals, whoever has not answered yet: members of different clusters, lists other than the
 * installation's, one that answers for another, and the CORRUPT alarm.
 */
export function refuseWrongMembers(installation: EtcdInstallation, members: readonly MemberAnswer[]): void {
  const where = `datastore ${installation.datastore} in namespace "${installation.namespace}"`;
  const clusters = new Map(members.map(({ pod, status }) => [status.clusterId, pod]));
  if (clusters.size > 1) {
    const found = [...clusters].map(([clusterId, pod]) => `${pod} in ${clusterId}`).join(', ');
    throw new GateError(`the members of ${where} are of ${clusters.size} different etcd clusters: ${found}`, {
      remedy: REMEDY,
    });
  }
  const expected = describeMembers(
    installation.members.map(({ pod, peerUrl }) => ({ name: pod, peerUrls: [peerUrl], learner: false })),
  );
  for (const { pod, status, memberList } of members) {
    const listed = describeMembers(memberList);
    if (listed !== expected) {
      throw new GateError(`${pod} of ${where} lists the members ${listed}, not ${expected}`, { remedy: REMEDY });
    }
    if (memberList.find(({ name }) => name === pod)?.id !== status.memberId) {
      throw new GateError(`${pod} of ${where} answers as another member: its volume is not its own`, {
        remedy: REMEDY,
      });
    }
    if (status.alarms.some(({ alarm }) => alarm === 'CORRUPT')) {
      throw new GateError(`${pod} of ${where} reports the CORRUPT alarm`, { remedy: REMEDY });
    }
  }
}

/** The pod of the leader that all members name and follow, or what is still to be waited for. */
export function findLeader(
  members: readonly MemberAnswer[],
  minimumRevision: number,
): { readonly leader: string } | { readonly reason: string } {
  const leader = members.find(({ status }) => status.leaderId === status.memberId);
  if (leader === undefined || members.some(({ status }) => status.leaderId !== leader.status.memberId)) {
    return { reason: `the members do not agree on a leader: ${members.map(leaderOf).join(', ')}` };
  }
  const behind = members.filter(({ status }) => status.revision < minimumRevision);
  if (behind.length === 0) return { leader: leader.pod };
  const revisions = behind.map(({ pod, status }) => `${pod} at ${status.revision}`).join(', ');
  return { reason: `revision ${minimumRevision} is not reached: ${revisions}` };
}

/** The hash that all members have, or what is still to be waited for. GateError when they hold different data. */
export function compareHashes(
  members: readonly HashedMember[],
  revision: number,
): { readonly hash: number } | { readonly reason: string } {
  const [first, ...others] = members;
  if (first === undefined) return { reason: 'there is no member' };
  // After a restore every member compacts by itself; hashes of different compactions say nothing about each other.
  if (others.some(({ compactRevision }) => compactRevision !== first.compactRevision)) {
    const compacted = members.map(({ pod, compactRevision }) => `${pod} up to ${compactRevision}`).join(', ');
    return { reason: `the members are still compacting: ${compacted}` };
  }
  if (others.every(({ hash }) => hash === first.hash)) return { hash: first.hash };
  const found = members.map(({ pod, hash }) => `${pod} ${hash}`).join(', ');
  throw new GateError(`the members hold different data at revision ${revision}; they hash to ${found}`, {
    remedy: 'They were not restored from the same file; put the data before back, or restore again.',
  });
}

function describeMembers(members: readonly Pick<EtcdMember, 'name' | 'peerUrls' | 'learner'>[]): string {
  return members
    .map(({ name, peerUrls, learner }) => `${name}=${[...peerUrls].sort().join('+')}${learner ? ' (learner)' : ''}`)
    .sort()
    .join(', ');
}

function leaderOf({ pod, status }: MemberAnswer): string {
  return status.leaderId === '0' ? `${pod} knows none` : `${pod} names ${status.leaderId}`;
}
