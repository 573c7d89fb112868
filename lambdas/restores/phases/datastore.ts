import type * as z from 'zod';
import { hashMembers } from '../../datastores/etcd/hash-members.ts';
import { checkMembers } from '../../datastores/etcd/restore/member-gate.ts';
import { removeStaleKeys, type StaleKeys } from '../../datastores/etcd/restore/stale-keys.ts';
import { workloadOf } from '../../datastores/etcd/restore/workload.ts';
import { disarmNoSpace, writesWaitFor } from '../../datastores/etcd/restore/write-gate.ts';
import { GateError } from '../../domain/errors.ts';
import { statefulSetOf } from '../../domain/restore-target.ts';
import type { attemptedSchema, DirectedRestore } from '../../domain/restore.ts';
import { endWorkload, scaleTo, startInTurn } from '../../kube/workloads.ts';
import type { ClusterRunPorts } from '../../operations/ports.ts';
import { isOtherContent } from '../breach.ts';
import { onVolumes } from '../strategies/swap-volumes/follow-pods.ts';
import { repeatBehindFence } from './behind-fence.ts';
import { openRestore, type OpenedRestore, type PlannedDatastore } from '../open-restore.ts';
import { isOldStarted, readBreach, readFenced, recordStale, recordWarning } from '../records.ts';
import { endsNothing, refuseTakenBack, startsNothing } from '../resumed.ts';

type Attempted = z.infer<typeof attemptedSchema>;

/** Brings the datastores to zero, until no pod has their volumes any more. */
export async function stopDatastore(item: DirectedRestore, ports: ClusterRunPorts): Promise<Attempted> {
  if (await endsNothing(item, ports)) return { done: true };
  const restore = await openRestore(item, 'stop-datastore', ports);
  const remedy = 'Look at the pods of the StatefulSet: something keeps them, e.g. a node that does not answer.';
  return await repeatBehindFence(item, restore, { step: 'stop-datastore', remedy }, ports, async () => {
    for (const { installation } of restore.datastores) {
      const waitsFor = await endWorkload(restore.cluster.api, statefulSetOf(installation));
      if (waitsFor !== undefined) return waitsFor;
    }
    return undefined;
  });
}

/** Puts what was prepared where the data was, on every member, or puts the old data back. */
export async function swapData(item: DirectedRestore, ports: ClusterRunPorts): Promise<Attempted> {
  await refuseTakenBack(item, ports);
  if (await endsNothing(item, ports)) return { done: true };
  const restore = await openRestore(item, 'swap-data', ports);
  const remedy =
    'Look at the pods named lifeboat-… in the namespace of the control plane and their events. One that stays while it is deleted is on a ' +
    'node that does not answer: bring the node back, or make sure that it is off and delete the Node. Then resume the restore.';
  const action = item.direction === 'forward' ? 'swap' : 'back';
  const look = onVolumes(restore, { action }, ports);
  return await repeatBehindFence(item, restore, { step: 'swap-data', remedy }, ports, look);
}

/**
 * Starts the datastores, until all members are one cluster with one content: that of the recovery point at a higher revision,
 * or exactly that of the time before; one that did not serve then gets the replicas that it had, and no more is asked of it.
 * Forward, they must take writes, and what the API servers left behind that are no more is removed.
 */
export async function startDatastore(item: DirectedRestore, ports: ClusterRunPorts): Promise<Attempted> {
  if (await startsNothing('start-datastore', item, ports)) return { done: true };
  const restore = await openRestore(item, 'start-datastore', ports);
  const remedy = "Read the logs of etcd's pods; its data and those of the time before are still on the volumes.";
  return await repeatBehindFence(item, restore, { step: 'start-datastore', remedy }, ports, async () => {
    for (const datastore of restore.datastores) {
      const { installation, plan } = datastore;
      const workload = statefulSetOf(installation);
      if (item.direction === 'back' && plan.outages.length > 0) {
        await scaleTo(restore.cluster.api, workload, installation.replicas);
        continue;
      }
      const waitsFor =
        (await startInTurn(restore.cluster.api, workload)) ?? (await membersWaitFor(item, datastore, restore, ports));
      if (waitsFor !== undefined) return waitsFor;
    }
    return undefined;
  });
}

async function membersWaitFor(
  item: DirectedRestore,
  { installation, plan }: PlannedDatastore,
  { platform, cluster, name }: OpenedRestore,
  ports: ClusterRunPorts,
): Promise<string | undefined> {
  const reach = { cluster, signal: ports.signal };
  const tls = await platform.datastoreAccess.etcdTls(cluster.api, name);
  const forward = item.direction === 'forward';
  const fenced = (await readFenced(item.operation, ports))?.datastores[installation.datastore];
  const minimumRevision = forward ? plan.revision + plan.bump : (fenced?.revision ?? 0);
  const gate = await checkMembers(installation, tls, { minimumRevision }, reach);
  if (gate.state === 'not-yet') return gate.reason;
  if (forward) {
    if (gate.isFull) {
      const disarmed = await disarmNoSpace(installation, tls, reach);
      if (disarmed !== undefined) await recordWarning(item.operation, plan.datastore, disarmed, ports);
    }
    const waitsFor = await writesWaitFor(installation, tls, item.operation, reach);
    if (waitsFor !== undefined) return waitsFor;
    if (plan.prefix !== null) {
      const stale = await removeStaleKeys(installation, tls, plan.prefix, reach);
      await recordStale(item.operation, plan.datastore, describeStale(plan.datastore, stale), ports);
    }
    return undefined;
  }
  // Where somebody may have written since, what is found is theirs, and no reason to stop; so is what was served again already.
  if (fenced === undefined || (await readBreach(item.operation, ports)) !== undefined) return undefined;
  if (await isOldStarted(item.operation, ports)) return undefined;
  const hashes = await hashMembers(workloadOf(installation, tls), fenced.revision, reach);
  for (const answer of hashes) {
    if ('reason' in answer) return `${answer.pod} does not tell its hash: ${answer.reason}`;
  }
  const differs = hashes.find((answer) => 'hash' in answer && isOtherContent(answer, fenced));
  if (differs === undefined) return undefined;
  throw new GateError(`${differs.pod} does not hold what it held before the restore`, {
    remedy: `The safety recovery point of this operation holds it; restore that one.`,
  });
}

function describeStale(datastore: string, { removed, left }: StaleKeys): string {
  const counted = (counts: readonly (readonly [number, string])[]) =>
    counts.filter(([count]) => count !== 0).map((one) => one.join(' '));
  const gone = counted([
    [removed.masterLeases.length, 'old records of API servers'],
    [removed.systemLeases.length, 'old leases of kube-system'],
  ]);
  const still = counted([
    [left.nodeLeases, 'leases of nodes'],
    [left.otherLeases, 'other leases'],
    [left.certificateSigningRequests, 'certificate signing requests'],
    [left.webhookConfigurations, 'webhook configurations'],
  ]);
  const parts = [
    ...(gone.length === 0 ? [] : [`removed ${gone.join(' and ')}`]),
    ...(still.length === 0 ? [] : [`left as they were in the recovery point: ${still.join(', ')}`]),
  ];
  return `${datastore}: ${parts.length === 0 ? 'nothing was out of date' : parts.join('; ')}`;
}
