import { setTimeout as delay } from 'node:timers/promises';
import { DatastoreError, GateError, LifeboatError } from '../../../domain/errors.ts';
import type { EtcdInstallation } from '../../../domain/etcd-installation.ts';
import type { EtcdClientTls, EtcdWorkload } from '../../../domain/etcd-workload.ts';
import { formatBytes } from '../../../domain/format-bytes.ts';
import { connectMember, withAnyMember, type Reach } from '../reach-member.ts';
import type { EtcdClient } from '../wire/etcd-client.ts';
import { EtcdFullError } from '../wire/grpc-status.ts';
import type { RangeAnswer } from '../wire/messages.ts';
import { workloadOf } from './workload.ts';

/** A member follows within milliseconds; one that takes longer is looked at again with the next call. */
const SEEN_WITHIN_MILLISECONDS = 5_000;
const INTERVAL_MILLISECONDS = 50;

/** Outside of what Kubernetes uses, and of every other operation. */
function gateKeyOf(operation: string): Buffer {
  return Buffer.from(`lifeboat.io/gate/${operation}`);
}

/**
 * Writes and deletes one key, and sees both on every member: undefined when it was so, else what is still to be waited for. GateError
 * for an etcd that takes no writes because its file has reached its quota: no waiting heals that. It is safe to repeat, and raises the
 * revision by two. Other errors as connecting gives them; the signal's reason.
 */
export async function writesWaitFor(
  installation: EtcdInstallation,
  tls: EtcdClientTls,
  operation: string,
  reach: Reach,
): Promise<string | undefined> {
  const key = gateKeyOf(operation);
  const written = `what was written to datastore ${installation.datastore}`;
  const deleted = `what was deleted from datastore ${installation.datastore}`;
  try {
    return await withEveryMember(workloadOf(installation, tls), reach, async (members) => {
      const [{ client }] = members;
      const revision = await putOrRefuse(client, key, installation);
      const isWritten: Seen = ({ kvs }) => (kvs[0]?.modRevision ?? 0) >= revision;
      const unseen = await everyMemberSees(members, key, isWritten, written, reach);
      await client.deleteKeys(key);
      if (unseen !== undefined) return unseen;
      return await everyMemberSees(members, key, ({ count }) => count === 0, deleted, reach);
    });
  } catch (error) {
    reach.signal.throwIfAborted();
    if (error instanceof LifeboatError && error.kind === 'transient') return error.message;
    throw error;
  }
}

/**
 * Disarms the NOSPACE alarm, which an etcd carries on from the file that it was restored from, raised by members that are no more.
 * Whether there is room now, the next write tells: without it etcd raises the alarm again. Gives what to tell people, or undefined
 * when there was no such alarm. Safe to repeat. Errors as of {@link EtcdClient}.
 */
export async function disarmNoSpace(
  installation: EtcdInstallation,
  tls: EtcdClientTls,
  reach: Reach,
): Promise<string | undefined> {
  return await withAnyMember(workloadOf(installation, tls), reach, async (client) => {
    const { alarms, sizeBytes, inUseBytes } = await client.status();
    const raised = alarms.filter(({ alarm }) => alarm === 'NOSPACE');
    for (const { memberId } of raised) await client.disarm(memberId, 'NOSPACE');
    if (raised.length === 0) return undefined;
    return (
      `datastore ${installation.datastore} came back with the NOSPACE alarm of its recovery point, which was disarmed: it takes writes. Its file has ` +
      `${formatBytes(sizeBytes)}, of which ${formatBytes(inUseBytes)} are in use; defragment it or raise its quota before the alarm comes again`
    );
  });
}

interface ReachedMember {
  readonly pod: string;
  readonly client: EtcdClient;
}

type Seen = (answer: RangeAnswer) => boolean;

/** Works with a client to each member; all are closed whatever happens. The error of the first that lets us not in. */
async function withEveryMember<T>(
  workload: EtcdWorkload,
  reach: Reach,
  work: (members: [ReachedMember, ...ReachedMember[]]) => Promise<T>,
): Promise<T> {
  const asked = await Promise.allSettled(
    workload.members.map(async ({ pod }) => ({ pod, client: await connectMember(workload, pod, reach) })),
  );
  const members = asked.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []));
  try {
    for (const answer of asked) if (answer.status === 'rejected') throw answer.reason;
    const [first, ...others] = members;
    if (first === undefined) throw new DatastoreError(`datastore ${workload.name} has no members`);
    return await work([first, ...others]);
  } finally {
    await Promise.all(members.map(({ client }) => client.close()));
  }
}

async function putOrRefuse(client: EtcdClient, key: Buffer, { datastore }: EtcdInstallation): Promise<number> {
  try {
    return await client.put(key, Buffer.from('written by Lifeboat to see whether etcd takes writes'));
  } catch (error) {
    if (!(error instanceof EtcdFullError)) throw error;
    const { sizeBytes, inUseBytes } = await client.status();
    throw new GateError(
      `the restored datastore ${datastore} takes no writes: its file of ${formatBytes(sizeBytes)}, of which ${formatBytes(inUseBytes)} are in ` +
        "use, has reached etcd's quota",
      {
        remedy:
          "Raise etcd's quota (--quota-backend-bytes) and restore again; or choose a recovery point with a smaller file: an older one, or " +
          'one that is taken after etcd was compacted and defragmented.',
      },
    );
  }
}

/** undefined when the key is on every member as it must be, each asked for what it has itself. */
async function everyMemberSees(
  members: readonly ReachedMember[],
  key: Buffer,
  isSeen: Seen,
  what: string,
  reach: Reach,
): Promise<string | undefined> {
  const seen = await Promise.all(members.map(({ client }) => seesInTime(client, key, isSeen, reach)));
  const blind = members.flatMap(({ pod }, index) => (seen[index] === true ? [] : [pod]));
  return blind.length === 0 ? undefined : `${blind.join(', ')} ${blind.length === 1 ? 'does' : 'do'} not see ${what}`;
}

async function seesInTime(client: EtcdClient, key: Buffer, isSeen: Seen, { signal }: Reach): Promise<boolean> {
  const deadline = performance.now() + SEEN_WITHIN_MILLISECONDS;
  while (!isSeen(await client.range({ key, serializable: true }))) {
    if (performance.now() > deadline) return false;
    await delay(INTERVAL_MILLISECONDS, undefined, { signal }).catch(() => {
      signal.throwIfAborted();
    });
  }
  return true;
}
