import { withMember } from '../../../lambdas/datastores/etcd/reach-member.ts';
import type { EtcdClient } from '../../../lambdas/datastores/etcd/wire/etcd-client.ts';
import type { SecureEtcd } from '../../testbed/secure-etcd.ts';

/** Runs `work` with a client to the first member, which is closed afterwards. */
export async function withMemberClient<T>(
  { workload, cluster }: SecureEtcd,
  work: (client: EtcdClient) => Promise<T>,
): Promise<T> {
  return await withMember(workload, 'etcd-0', { cluster, signal: new AbortController().signal }, work);
}
