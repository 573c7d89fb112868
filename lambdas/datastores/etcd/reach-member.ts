import { LifeboatError } from '../../domain/errors.ts';
import type { EtcdWorkload } from '../../domain/etcd-workload.ts';
import type { Access } from '../driver.ts';
import { EtcdClient } from './wire/etcd-client.ts';

/** How members are reached: tunnels through their management cluster, until the signal ends it. */
export type Reach = Pick<Access, 'cluster' | 'signal'>;

/** A client to one member, through a tunnel of its own. The caller closes it. */
export async function connectMember(
  { namespace, clientPort, tls }: EtcdWorkload,
  pod: string,
  { cluster, signal }: Reach,
): Promise<EtcdClient> {
  const openSocket = () => cluster.openTunnel({ namespace, pod, port: clientPort }, { signal });
  return EtcdClient.connect(openSocket, tls, { member: pod, signal });
}

/** Works with a client to one member, which is closed whatever happens. */
export async function withMember<T>(
  workload: EtcdWorkload,
  pod: string,
  reach: Reach,
  work: (client: EtcdClient) => Promise<T>,
): Promise<T> {
  return await thenClose(await connectMember(workload, pod, reach), work);
}

/**
 * The same with the first member that lets us in; each of them passes on what only the leader may do. The first one's error
 * when none does.
 */
export async function withAnyMember<T>(
  workload: EtcdWorkload,
  reach: Reach,
  work: (client: EtcdClient) => Promise<T>,
): Promise<T> {
  return await thenClose(await connectAnyMember(workload, reach), work);
}

/** A client to the first member that lets us in. The caller closes it. */
async function connectAnyMember(workload: EtcdWorkload, reach: Reach): Promise<EtcdClient> {
  let failure: unknown;
  for (const { pod } of workload.members) {
    try {
      return await connectMember(workload, pod, reach);
    } catch (error) {
      reach.signal.throwIfAborted();
      if (!(error instanceof LifeboatError)) throw error;
      failure ??= error;
    }
  }
  throw failure;
}

async function thenClose<T>(client: EtcdClient, work: (client: EtcdClient) => Promise<T>): Promise<T> {
  try {
    return await work(client);
  } finally {
    await client.close();
  }
}
