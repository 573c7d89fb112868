import { NoUsableMemberError } from '../../domain/errors.ts';
import { parseVersion } from '../../domain/version.ts';
import type { EtcdStatus } from './wire/messages.ts';

/** A member that answered, and what it said about itself. */
export interface AskedMember {
  readonly pod: string;
  readonly ready: boolean;
  readonly status: EtcdStatus;
}

/** In which order members are asked for the snapshot, and why. Sentences for people; they go into the manifest. */
export interface MemberChoice<M extends AskedMember> {
  readonly order: readonly M[];
  readonly reasons: readonly string[];
  readonly warnings: readonly string[];
}

// etcd itself turns requests away when its applied index is this far behind (maxGapBetweenApplyAndCommitIndex).
const LAGGING_ENTRIES = 5_000;

// From etcd's changelog: releases whose data a snapshot may carry on although every check of the bytes passes.
const KNOWN_BAD: readonly { affects: (minor: number, patch: number) => boolean; problem: string }[] = [
  {
    affects: (minor, patch) => minor === 5 && patch <= 2,
    problem: 'may hold data that differs between members after a crash; update to 3.5.3 or later',
  },
  {
    affects: (minor, patch) => (minor === 5 && patch < 23) || (minor === 6 && patch < 5),
    problem: 'may corrupt a member that is defragmented while it catches up; fixed in 3.5.23 and 3.6.5',
  },
];

/**
 * A healthy follower nearest to the head comes first, so that the leader keeps its time for writes; then the leader, then
 * members that lag, are not ready or know no leader. NoUsableMemberError when a CORRUPT alarm is raised, when the members
 * are of different clusters, or when there are only learners.
 */
export function chooseMembers<M extends AskedMember>(members: readonly M[]): MemberChoice<M> {
  refuseCorruptAlarm(members);
  refuseDifferentClusters(members);
  const voters = members.filter(({ status }) => !status.learner);
  if (voters.length === 0) {
    throw new NoUsableMemberError(`every member that answered is a learner: ${podsOf(members)}`, {
      remedy: 'Promote a learner or repair the other members; a learner may lack data without knowing it.',
    });
  }
  const head = Math.max(...voters.map(({ status }) => status.raftIndex));
  const ranked = voters
    .map((member) => ({ member, ...rank(member, head) }))
    .sort((a, b) => a.rank - b.rank || a.behind - b.behind || a.member.pod.localeCompare(b.member.pod));
  const learners = members.filter(({ status }) => status.learner);
  return {
    order: ranked.map(({ member }) => member),
    reasons: [
      ...ranked.map(({ member, reason }, index) => `${member.pod}: choice ${index + 1}, ${reason}`),
      ...learners.map(({ pod }) => `${pod}: passed over, a learner`),
    ],
    warnings: warningsOf(members),
  };
}

function rank({ ready, status }: AskedMember, head: number): { rank: number; behind: number; reason: string } {
  const behind = Math.max(0, head - status.raftAppliedIndex);
  const lag = `${behind} raft entries behind the head`;
  if (status.leaderId === '0') return { rank: 4, behind, reason: `knows no leader, ${lag}` };
  if (!ready) return { rank: 3, behind, reason: `its pod is not ready, ${lag}` };
  if (behind > LAGGING_ENTRIES) return { rank: 2, behind, reason: `lagging, ${lag}` };
  if (status.leaderId === status.memberId) return { rank: 1, behind, reason: 'the leader' };
  return { rank: 0, behind, reason: `a healthy follower, ${lag}` };
}

function refuseCorruptAlarm(members: readonly AskedMember[]): void {
  const raisedBy = new Set(
    members.flatMap(({ status }) =>
      status.alarms.filter(({ alarm }) => alarm === 'CORRUPT').map(({ memberId }) => memberId),
    ),
  );
  if (raisedBy.size === 0) return;
  const corrupt = [...raisedBy].map(
    (id) => members.find(({ status }) => status.memberId === id)?.pod ?? `member ${id}`,
  );
  throw new NoUsableMemberError(`etcd has raised the CORRUPT alarm for ${corrupt.join(', ')}`, {
    remedy:
      'Replace the corrupt member and disarm the alarm; until then the newest earlier recovery point is the safe one.',
  });
}

function refuseDifferentClusters(members: readonly AskedMember[]): void {
  const clusters = new Set(members.map(({ status }) => status.clusterId));
  if (clusters.size <= 1) return;
  throw new NoUsableMemberError(`${podsOf(members)} are members of ${clusters.size} different etcd clusters`, {
    remedy:
      'Find out which of them the API server uses, e.g. after a restore that was not finished, and remove the others.',
  });
}

/** What is warned of in a manifest whose snapshot may lack what was acknowledged last. */
export const NO_LEADER = 'no member knows a leader: the last writes of the lost majority may be missing';

function warningsOf(members: readonly AskedMember[]): string[] {
  const versions = [...new Set(members.map(({ status }) => status.version))].sort();
  return [
    ...(members.some(({ status }) => status.alarms.some(({ alarm }) => alarm === 'NOSPACE'))
      ? ['etcd has raised the NOSPACE alarm: it takes no more writes until it is compacted, defragmented and disarmed']
      : []),
    ...(members.every(({ status }) => status.leaderId === '0') ? [NO_LEADER] : []),
    ...(versions.length > 1 ? [`the members run different versions: ${versions.join(', ')}`] : []),
    ...versions.flatMap((version) => {
      const parsed = parseVersion(version);
      const bad = KNOWN_BAD.find(({ affects }) => parsed?.major === 3 && affects(parsed.minor, parsed.patch));
      return bad === undefined ? [] : [`etcd ${version} ${bad.problem}`];
    }),
  ];
}

function podsOf(members: readonly AskedMember[]): string {
  return members.map(({ pod }) => pod).join(', ');
}
