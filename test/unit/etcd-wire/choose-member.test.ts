import { describe, expect, it } from '@jest/globals';
import { chooseMembers, type AskedMember } from '../../../lambdas/datastores/etcd/choose-member.ts';
import { NoUsableMemberError } from '../../../lambdas/domain/errors.ts';

const HEAD = 100_000;

function member(index: number, status: Partial<AskedMember['status']> = {}, ready = true): AskedMember {
  return {
    pod: `etcd-${index}`,
    ready,
    status: {
      clusterId: 'c1',
      memberId: `m${index}`,
      revision: 5_000,
      version: '3.6.6',
      sizeBytes: 1_000_000,
      inUseBytes: 500_000,
      leaderId: 'm0',
      raftIndex: HEAD,
      raftAppliedIndex: HEAD,
      learner: false,
      alarms: [],
      ...status,
    },
  };
}

const pods = (members: readonly AskedMember[]): string[] => chooseMembers(members).order.map(({ pod }) => pod);
const alarmOf = (memberId: string, alarm: 'NOSPACE' | 'CORRUPT') => ({ alarms: [{ memberId, alarm }] });

describe('the order in which members are asked', () => {
  const cases: [name: string, members: AskedMember[], order: string[]][] = [
    ['a follower before the leader', [member(0), member(1)], ['etcd-1', 'etcd-0']],
    [
      'the follower nearest to the head first',
      [member(0), member(1, { raftAppliedIndex: HEAD - 9 }), member(2)],
      ['etcd-2', 'etcd-1', 'etcd-0'],
    ],
    [
      'the leader before a follower that lags',
      [member(0), member(1, { raftAppliedIndex: HEAD - 6_000 })],
      ['etcd-0', 'etcd-1'],
    ],
    ['the leader before a follower that is not ready', [member(0), member(1, {}, false)], ['etcd-0', 'etcd-1']],
    ['a member without a leader last', [member(1, { leaderId: '0' }), member(2, {}, false)], ['etcd-2', 'etcd-1']],
    ['no learner', [member(0), member(1, { learner: true })], ['etcd-0']],
    ['a lone member', [member(0)], ['etcd-0']],
    ['equals by name, however they are given', [member(2), member(1), member(0)], ['etcd-1', 'etcd-2', 'etcd-0']],
  ];
  it.each(cases)('is %s', (_, members, order) => {
    expect(pods(members)).toEqual(order);
  });

  it('comes with a reason for every member', () => {
    const { reasons } = chooseMembers([
      member(0),
      member(1, { raftAppliedIndex: HEAD - 3 }),
      member(2, { learner: true }),
    ]);
    expect(reasons).toEqual([
      'etcd-1: choice 1, a healthy follower, 3 raft entries behind the head',
      'etcd-0: choice 2, the leader',
      'etcd-2: passed over, a learner',
    ]);
  });
});

describe('no member is asked', () => {
  const cases: [name: string, members: AskedMember[], named: RegExp][] = [
    [
      'when CORRUPT is raised, whichever member knows',
      [member(0), member(1, alarmOf('m0', 'CORRUPT'))],
      /CORRUPT alarm for etcd-0/,
    ],
    [
      'when CORRUPT is raised for a member that did not answer',
      [member(0, alarmOf('m7', 'CORRUPT'))],
      /CORRUPT alarm for member m7/,
    ],
    ['when only learners answered', [member(1, { learner: true })], /is a learner: etcd-1/],
    [
      'when the pods are of different clusters',
      [member(0), member(1, { clusterId: 'c2' })],
      /2 different etcd clusters/,
    ],
  ];
  it.each(cases)('%s', (_, members, named) => {
    expect(() => chooseMembers(members)).toThrow(NoUsableMemberError);
    expect(() => chooseMembers(members)).toThrow(named);
  });
});

describe('warnings', () => {
  const cases: [name: string, members: AskedMember[], warnings: RegExp[]][] = [
    ['none for healthy members', [member(0), member(1)], []],
    ['NOSPACE', [member(0, alarmOf('m0', 'NOSPACE'))], [/NOSPACE/]],
    ['no leader', [member(0, { leaderId: '0' })], [/no member knows a leader/]],
    ['mixed versions', [member(0), member(1, { version: '3.6.7' })], [/different versions: 3\.6\.6, 3\.6\.7/]],
    ['3.5.2', [member(0, { version: '3.5.2' })], [/3\.5\.2 may hold data that differs/]],
    ['3.5.3', [member(0, { version: '3.5.3' })], [/3\.5\.3 may corrupt a member that is defragmented/]],
    ['3.5.22', [member(0, { version: '3.5.22' })], [/fixed in 3\.5\.23/]],
    ['not 3.5.23', [member(0, { version: '3.5.23' })], []],
    ['3.6.4', [member(0, { version: '3.6.4' })], [/fixed in 3\.5\.23 and 3\.6\.5/]],
    ['not 3.6.5', [member(0, { version: '3.6.5' })], []],
    ['not 3.4.33', [member(0, { version: '3.4.33' })], []],
  ];
  it.each(cases)('say %s', (_, members, expected) => {
    const { warnings } = chooseMembers(members);
    expect(warnings).toHaveLength(expected.length);
    for (const [index, warning] of expected.entries()) expect(warnings[index]).toMatch(warning);
  });
});
