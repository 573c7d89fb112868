import { describe, expect, it } from '@jest/globals';
import {
  compareHashes,
  findLeader,
  refuseWrongMembers,
  type MemberAnswer,
} from '../../../lambdas/datastores/etcd/restore/judge-members.ts';
import { GateError } from '../../../lambdas/domain/errors.ts';
import { installedEtcd } from './installed-etcd.ts';

const INSTALLATION = installedEtcd(3);
const LIST = INSTALLATION.members.map(({ pod, peerUrl }, index) => ({
  id: `m${index}`,
  name: pod,
  peerUrls: [peerUrl],
  clientUrls: [],
  learner: false,
}));

function answerOf(
  index: number,
  status: Partial<MemberAnswer['status']> = {},
  memberList: MemberAnswer['memberList'] = LIST,
): MemberAnswer {
  return {
    pod: `etcd-${index}`,
    memberList,
    status: {
      clusterId: 'c1',
      memberId: `m${index}`,
      revision: 1_005_000,
      version: '3.6.5',
      sizeBytes: 1_000_000,
      inUseBytes: 500_000,
      leaderId: 'm0',
      raftIndex: 10,
      raftAppliedIndex: 10,
      learner: false,
      alarms: [],
      ...status,
    },
  };
}

describe('members are refused for good', () => {
  const learner = LIST.map((member) => (member.name === 'etcd-1' ? { ...member, learner: true } : member));
  const cases: [name: string, members: MemberAnswer[], message: RegExp][] = [
    [
      'when they are of different clusters, whoever is missing',
      [answerOf(0), answerOf(2, { clusterId: 'c2' })],
      /^the members of datastore main in namespace "clusters-prod" are of 2 different etcd clusters: etcd-0 in c1, etcd-2 in c2$/,
    ],
    [
      'when one lists fewer',
      [answerOf(0), answerOf(1, {}, LIST.slice(0, 2))],
      /^etcd-1 of .* lists the members etcd-0/,
    ],
    ['when one of them is a learner', [answerOf(0, {}, learner)], /etcd-1=[^ ]* \(learner\), etcd-2/],
    ['when one answers for another', [answerOf(0, { memberId: 'm1' })], /etcd-0 .* answers as another member/],
    [
      'under the alarm CORRUPT',
      [answerOf(0), answerOf(1, { alarms: [{ memberId: 'm0', alarm: 'CORRUPT' }] })],
      /^etcd-1 of .* reports the CORRUPT alarm$/,
    ],
  ];
  it.each(cases)('%s', (_, members, message) => {
    const refuse = () => {
      refuseWrongMembers(INSTALLATION, members);
    };
    expect(refuse).toThrow(GateError);
    expect(refuse).toThrow(message);
  });

  it('but not for the order of a list, nor for those that have not answered yet', () => {
    refuseWrongMembers(INSTALLATION, [answerOf(1, {}, LIST.toReversed())]);
    refuseWrongMembers(INSTALLATION, []);
  });
});

describe('the leader of all members', () => {
  const cases: [name: string, members: MemberAnswer[], found: object][] = [
    ['is the one that all name', [answerOf(0), answerOf(1), answerOf(2)], { leader: 'etcd-0' }],
    [
      'is waited for while one knows none',
      [answerOf(0), answerOf(1, { leaderId: '0' })],
      { reason: 'the members do not agree on a leader: etcd-0 names m0, etcd-1 knows none' },
    ],
    [
      'is waited for while they name different ones',
      [answerOf(0), answerOf(1, { leaderId: 'm1' })],
      { reason: 'the members do not agree on a leader: etcd-0 names m0, etcd-1 names m1' },
    ],
    [
      'is waited for while the one that they name has not taken over',
      [answerOf(0, { leaderId: 'm2' }), answerOf(1, { leaderId: 'm2' })],
      { reason: 'the members do not agree on a leader: etcd-0 names m2, etcd-1 names m2' },
    ],
    [
      'does not count before every member has reached the revision',
      [answerOf(0), answerOf(1, { revision: 1_004_999 })],
      { reason: 'revision 1005000 is not reached: etcd-1 at 1004999' },
    ],
  ];
  it.each(cases)('%s', (_, members, found) => {
    expect(findLeader(members, 1_005_000)).toEqual(found);
  });
});

describe('the hash of all members', () => {
  const hashed = (index: number, hash: number, compactRevision = 7) => ({
    pod: `etcd-${index}`,
    hash,
    compactRevision,
  });

  it('is the one that all have', () => {
    expect(compareHashes([hashed(0, 42), hashed(1, 42), hashed(2, 42)], 9)).toEqual({ hash: 42 });
  });

  it('is waited for while one has still to compact, as hashes say nothing then', () => {
    expect(compareHashes([hashed(0, 42), hashed(1, 43, -1)], 9)).toEqual({
      reason: 'the members are still compacting: etcd-0 up to 7, etcd-1 up to -1',
    });
  });

  it('is refused for good when one has another', () => {
    expect(() => compareHashes([hashed(0, 42), hashed(1, 42), hashed(2, 43)], 9)).toThrow(
      new GateError('the members hold different data at revision 9; they hash to etcd-0 42, etcd-1 42, etcd-2 43'),
    );
  });
});
