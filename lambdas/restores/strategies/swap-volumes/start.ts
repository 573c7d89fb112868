import { checkMembers } from '../../../datastores/etcd/restore/member-gate.ts';
import { removeStaleKeys, type StaleKeys } from '../../../datastores/etcd/restore/stale-keys.ts';
import { disarmNoSpace, writesWaitFor } from '../../../datastores/etcd/restore/write-gate.ts';
import { statefulSetOf } from '../../../domain/restore-target.ts';
import type { Direction } from '../../../domain/restore.ts';
import { scaleTo, startInTurn } from '../../../kube/workloads.ts';
import type { ClusterRunPorts } from '../../../operations/ports.ts';
import { accessTo } from '../../../recovery-points/reach.ts';
import type { OpenedRestore, PlannedDatastore } from '../../open-restore.ts';
import { readFenced, recordStale, recordWarning } from '../../records.ts';
import type { Look } from '../strategy.ts';

/**
 * Starts every etcd, until all its members are one cluster with one content, at a higher revision than was ever seen. Forward, they
 * must take writes, and what the API servers left behind that are no more is removed.
 */
export function start(restore: OpenedRestore, direction: Direction, ports: ClusterRunPorts): Look {
  const { cluster, datastores } = restore;
  return async () => {
    for (const datastore of datastores) {
      const { installation, plan } = datastore;
      const workload = statefulSetOf(installation);
      if (direction === 'back' && plan.outages.length > 0) {
        await scaleTo(cluster.api, workload, installation.replicas);
        continue;
      }
      const waitsFor =
        (await startInTurn(cluster.api, workload)) ?? (await membersWaitFor(datastore, restore, direction, ports));
      if (waitsFor !== undefined) return waitsFor;
    }
    return undefined;
  };
}

async function membersWaitFor(
  { installation, plan }: PlannedDatastore,
  restore: OpenedRestore,
  direction: Direction,
  ports: ClusterRunPorts,
): Promise<string | undefined> {
  const { operation } = restore.plan;
  const { tls, ...reach } = await accessTo(restore, ports.signal);
  const seal = (await readFenced(operation, ports))?.datastores[plan.datastore];
  const minimumRevision = direction === 'forward' ? plan.revision + plan.bump : (seal?.revision ?? 0);
  const gate = await checkMembers(installation, tls, { minimumRevision }, reach);
  if (gate.state === 'not-yet') return gate.reason;
  if (direction === 'back') return undefined;
  if (gate.isFull) {
    const disarmed = await disarmNoSpace(installation, tls, reach);
    if (disarmed !== undefined) await recordWarning(operation, plan.datastore, disarmed, ports);
  }
  const waitsFor = await writesWaitFor(installation, tls, operation, reach);
  if (waitsFor !== undefined || plan.prefix === null) return waitsFor;
  const stale = await removeStaleKeys(installation, tls, plan.prefix, reach);
  await recordStale(operation, plan.datastore, describeStale(plan.datastore, stale), ports);
  return undefined;
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
