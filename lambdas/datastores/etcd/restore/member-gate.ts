import { LifeboatError } from '../../../domain/errors.ts';
import type { EtcdInstallation } from '../../../domain/etcd-installation.ts';
import type { EtcdClientTls, EtcdWorkload } from '../../../domain/etcd-workload.ts';
import { connectMember, type Reach } from '../reach-member.ts';
import type { EtcdClient } from '../wire/etcd-client.ts';
import {
  compareHashes,
  findLeader,
  refuseWrongMembers,
  type HashedMember,
  type MemberAnswer,
} from './judge-members.ts';
import { workloadOf } from './workload.ts';

export interface MemberExpectation {
  /** The revision that every member must have reached. */
  readonly minimumRevision: number;
}

export type MemberGate =
  | {
      readonly state: 'ready';
      readonly clusterId: string;
      /** The leader's pod. */
      readonly leader: string;
      /** The revision that every member hashed. */
      readonly revision: number;
      readonly hash: number;
      /** Whether the NOSPACE alarm is raised, e.g. because it came with the snapshot: then they take no writes. */
      readonly isFull: boolean;
    }
  | { readonly state: 'not-yet'; readonly reason: string };

interface ConnectedMember extends MemberAnswer {
  readonly client: EtcdClient;
}

/**
 * Whether the members of an etcd are the one cluster that they must be: asked one by one, since each of several clusters looks
 * healthy by itself. What waiting may heal is `not-yet`; GateError for members of different clusters, member lists other than
 * the installation's, hashes that differ, and the CORRUPT alarm; PermissionError and NoUsableMemberError as connecting
 * gives them; the signal's reason.
 */
export async function checkMembers(
  installation: EtcdInstallation,
  tls: EtcdClientTls,
  { minimumRevision }: MemberExpectation,
  reach: Reach,
): Promise<MemberGate> {
  const workload = workloadOf(installation, tls);
  const asked = await Promise.allSettled(workload.members.map(({ pod }) => askMember(workload, pod, reach)));
  const members = asked.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []));
  try {
    refuseWrongMembers(installation, members);
    const silent = workload.members.flatMap(({ pod }, index) => {
      const answer = asked[index];
      return answer?.status === 'rejected' ? [`${pod}: ${reasonToWait(answer.reason, reach)}`] : [];
    });
    if (silent.length > 0) return { state: 'not-yet', reason: silent.join('; ') };
    const found = findLeader(members, minimumRevision);
    if ('reason' in found) return { state: 'not-yet', ...found };
    const revision = Math.min(...members.map(({ status }) => status.revision));
    const hashed = await hashAll(members, revision, reach);
    const compared = 'reason' in hashed ? hashed : compareHashes(hashed, revision);
    if ('reason' in compared) return { state: 'not-yet', ...compared };
    const clusterId = members[0]?.status.clusterId ?? '';
    return { state: 'ready', clusterId, ...found, revision, ...compared, isFull: members.some(isFull) };
  } finally {
    await Promise.all(members.map(({ client }) => client.close()));
  }
}

async function askMember(workload: EtcdWorkload, pod: string, reach: Reach): Promise<ConnectedMember> {
  const client = await connectMember(workload, pod, reach);
  try {
    const [status, memberList] = await Promise.all([client.status(), client.memberList()]);
    return { pod, client, status, memberList };
  } catch (error) {
    await client.close();
    throw error;
  }
}

async function hashAll(
  members: readonly ConnectedMember[],
  revision: number,
  reach: Reach,
): Promise<HashedMember[] | { readonly reason: string }> {
  try {
    return await Promise.all(members.map(async ({ pod, client }) => ({ pod, ...(await client.hashKV(revision)) })));
  } catch (error) {
    return { reason: reasonToWait(error, reach) };
  }
}

/** Of an error that time may heal; any other is thrown. */
function reasonToWait(error: unknown, { signal }: Reach): string {
  signal.throwIfAborted();
  if (error instanceof LifeboatError && error.kind === 'transient') return error.message;
  throw error;
}

function isFull({ status }: MemberAnswer): boolean {
  return status.alarms.some(({ alarm }) => alarm === 'NOSPACE');
}
