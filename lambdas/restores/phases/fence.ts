import type * as z from 'zod';
import { hashMembers } from '../../datastores/etcd/hash-members.ts';
import { withMember } from '../../datastores/etcd/reach-member.ts';
import { workloadOf } from '../../datastores/etcd/restore/workload.ts';
import { DatastoreError, GateError } from '../../domain/errors.ts';
import type { EtcdWorkload } from '../../domain/etcd-workload.ts';
import type { attemptedSchema, DirectedRestore } from '../../domain/restore.ts';
import { readMark } from '../../operations/mark.ts';
import type { ClusterRunPorts } from '../../operations/ports.ts';
import { holdFence } from './behind-fence.ts';
import { openRestore, type OpenedRestore, type PlannedDatastore } from '../open-restore.ts';
import { readFenceBegun, recordFenceBegun, recordFenced } from '../records.ts';
import { repeatUntilDone } from './repeat-until-done.ts';
import { endsNothing, standingOf } from '../resumed.ts';

/**
 * Pauses the platform's reconcilers and brings the API servers to zero, until their pods are gone and the datastores stand
 * still, on every member alike; of a datastore that did not serve before that can't be asked. Where the datastores may be down
 * or swapped already, on the way back and when a restore is resumed, only the first two.
 */
export async function fenceControlPlane(
  item: DirectedRestore,
  ports: ClusterRunPorts,
): Promise<z.infer<typeof attemptedSchema>> {
  if (await endsNothing(item, ports)) return { done: true };
  const standing = item.direction === 'back' ? 'swapping' : await standingOf(item, ports);
  const restore = await openRestore(item, 'fence-control-plane', ports);
  const { platform, cluster, name } = restore;
  const pauseWaits = await holdFence(item, restore, ports);
  if (item.direction === 'forward' && (await readFenceBegun(item.operation, ports)) === undefined) {
    const paused = await pauseControlPlane(item, pauseWaits, ports);
    if (!paused.done) return paused;
  }
  const at = ports.clock().toISOString();
  // Only what is paused is noted: without the note a restore that goes on plans anew.
  if (item.direction === 'forward') {
    const mark = await readMark(item, ports);
    await recordFenceBegun(item.operation, { at, token: item.lock.token, ...(mark && { nonce: mark.nonce }) }, ports);
  }
  const goal = {
    step: 'fence-control-plane',
    direction: item.direction,
    remedy: 'Look at the pods of the API servers: something keeps them, e.g. a node that does not answer.',
  } as const;
  let before: string | undefined;
  return await repeatUntilDone(item, goal, ports, async () => {
    const pauseWaitsFor = await pauseWaits();
    if (pauseWaitsFor !== undefined) return pauseWaitsFor;
    for (const writer of restore.plan.target.writers) {
      const waitsFor = await platform.apiServers.stop(cluster.api, name, writer);
      if (waitsFor !== undefined) return waitsFor;
    }
    if (standing === 'swapping') return undefined;
    if (standing === 'stopping' && !(await anyMemberRuns(restore))) return undefined;
    const serving = restore.datastores.filter(({ plan }) => plan.outages.length === 0);
    const workloads = await workloadsOf(restore, serving);
    const revisions = await Promise.all(workloads.map((workload) => revisionOf(workload, restore, ports)));
    refuseOvertaken(serving, revisions);
    const still = before === revisions.join();
    before = revisions.join();
    if (!still) return 'the datastores are still written to';
    const datastores = await Promise.all(
      workloads.map(async (workload, index) => {
        const revision = revisions[index] ?? 0;
        return [workload.name, { revision, ...(await commonHash(workload, revision, restore, ports)) }] as const;
      }),
    );
    await recordFenced(item.operation, { at, datastores: Object.fromEntries(datastores) }, ports);
    return undefined;
  });
}

/** A step of its own: while it is worked for nothing is ended, and whoever is interrupted there can begin anew. */
async function pauseControlPlane(
  item: DirectedRestore,
  pauseWaits: () => Promise<string | undefined>,
  ports: ClusterRunPorts,
): Promise<z.infer<typeof attemptedSchema>> {
  const goal = {
    step: 'pause-control-plane',
    direction: item.direction,
    remedy: 'See whether that runs, then restore again: without a pause the API servers would be started again.',
  } as const;
  return await repeatUntilDone(item, goal, ports, pauseWaits);
}

async function anyMemberRuns({ cluster, datastores }: OpenedRestore): Promise<boolean> {
  const pods = datastores.flatMap(({ installation: { namespace, members } }) =>
    members.map(({ pod }) => cluster.api.get({ apiVersion: 'v1', kind: 'Pod', namespace, name: pod })),
  );
  return (await Promise.all(pods)).some((pod) => pod !== undefined);
}

/** Watchers would miss what is restored below a revision that they have seen. */
function refuseOvertaken(datastores: readonly PlannedDatastore[], revisions: readonly number[]): void {
  for (const [index, { plan }] of datastores.entries()) {
    const revision = revisions[index] ?? 0;
    if (revision < plan.revision + plan.bump) continue;
    throw new GateError(`datastore ${plan.datastore} has reached revision ${revision} since the restore was planned`, {
      remedy: 'Plan it anew: it was prepared for fewer writes than there were.',
    });
  }
}

async function workloadsOf(
  { platform, cluster, name }: OpenedRestore,
  datastores: readonly PlannedDatastore[],
): Promise<EtcdWorkload[]> {
  const tls = await platform.datastoreAccess.etcdTls(cluster.api, name);
  return datastores.map(({ installation }) => workloadOf(installation, tls));
}

/** The highest revision of any member: one that is written to rises on all of them. */
async function revisionOf(workload: EtcdWorkload, { cluster }: OpenedRestore, { signal }: ClusterRunPorts) {
  const revisions = await Promise.all(
    workload.members.map(({ pod }) =>
      withMember(workload, pod, { cluster, signal }, async (client) => (await client.status()).revision),
    ),
  );
  return Math.max(...revisions);
}

async function commonHash(
  workload: EtcdWorkload,
  revision: number,
  { cluster }: OpenedRestore,
  { signal }: ClusterRunPorts,
): Promise<{ hash: number; compactRevision: number }> {
  const answers = await hashMembers(workload, revision, { cluster, signal });
  const [first] = answers;
  for (const answer of answers) {
    if (!('hash' in answer)) throw new DatastoreError(`${answer.pod} can't be asked for its hash: ${answer.reason}`);
    if (
      first !== undefined &&
      'hash' in first &&
      (answer.hash !== first.hash || answer.compactRevision !== first.compactRevision)
    ) {
      throw new DatastoreError(`${first.pod} and ${answer.pod} do not agree on revision ${revision}`, {
        remedy: 'Wait for a compaction to end on all members; if it stays so, one of them is corrupt.',
      });
    }
  }
  if (first === undefined || !('hash' in first)) throw new DatastoreError(`${workload.name} has no member`);
  return { hash: first.hash, compactRevision: first.compactRevision };
}
