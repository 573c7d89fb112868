import { LifeboatError } from '../../domain/errors.ts';
import type { EtcdWorkload } from '../../domain/etcd-workload.ts';
import { withMember, type Reach } from './reach-member.ts';

/** What one member says its keyspace hashes to, or why it could not be asked. */
export type MemberHash =
  | { readonly pod: string; readonly hash: number; readonly compactRevision: number }
  | { readonly pod: string; readonly reason: string };

/** Asks every member for the hash of its keyspace up to a revision, all at once; no member's failure fails the others. */
export async function hashMembers(workload: EtcdWorkload, revision: number, reach: Reach): Promise<MemberHash[]> {
  return Promise.all(workload.members.map(({ pod }) => hashMember(workload, pod, revision, reach)));
}

async function hashMember(workload: EtcdWorkload, pod: string, revision: number, reach: Reach): Promise<MemberHash> {
  try {
    return { pod, ...(await withMember(workload, pod, reach, (client) => client.hashKV(revision))) };
  } catch (error) {
    reach.signal.throwIfAborted();
    if (!(error instanceof LifeboatError)) throw error;
    return { pod, reason: error.message };
  }
}
