import type * as z from 'zod';
import {
  ConflictError,
  CorruptSnapshotError,
  DatastoreError,
  LifeboatError,
  NoUsableMemberError,
  TunnelError,
} from '../domain/errors.ts';
import { wasWrittenAfter } from '../datastores/etcd/live-keys.ts';
import { withAnyMember } from '../datastores/etcd/reach-member.ts';
import { workloadOf } from '../datastores/etcd/restore/workload.ts';
import type { Manifest } from '../domain/recovery-point.ts';
import { safetyPointSchema, type DirectedRestore, type SafetyPoint } from '../domain/restore.ts';
import { verdictOf } from '../domain/verdict.ts';
import type { ClusterRunPorts } from '../operations/ports.ts';
import { takeRecoveryPoint } from '../recovery-points/take.ts';
import { holdFence } from './pause.ts';
import { isWhole, openRestore, type OpenedRestore } from './opened.ts';
import { readFenced } from './records.ts';

/**
 * Takes a recovery point of the fenced state, once a restore. Where a datastore did not serve when the restore was planned there
 * may be none to be had, which is recorded with the reason. ConflictError when it is not at the revision at which the fence
 * found the datastores: somebody has written since.
 */
export async function takeSafetyPoint(
  item: DirectedRestore,
  ports: ClusterRunPorts,
): Promise<z.infer<typeof safetyPointSchema>> {
  return await ports.journal.once(item.operation, 'take-safety-point', safetyPointSchema, async () => {
    const startedAt = ports.clock().toISOString();
    const restore = await openRestore(item, ports);
    await holdFence(item, restore, ports);
    const done = (point: Pick<SafetyPoint, 'id' | 'reason' | 'verdict'>) => {
      return { ...point, startedAt, doneAt: ports.clock().toISOString() };
    };
    // An earlier delivery may have ended between the point's manifest and the journal.
    for await (const point of ports.catalogue.points(restore.name)) {
      if ('manifest' in point && point.manifest.operation === item.operation) {
        return done({ id: point.address.id, reason: null, verdict: point.verdict });
      }
    }
    const manifest = await takeIfPossible(restore, ports);
    if ('reasonForNone' in manifest) return done({ id: null, reason: manifest.reasonForNone, verdict: null });
    await refuseWritten(manifest, restore, ports);
    return done({ id: manifest.id, reason: null, verdict: verdictOf(manifest) });
  });
}

/**
 * ConflictError when somebody writes behind the fence. That keys are deleted is no writing: etcd does it by itself when their leases
 * end, e.g. those of events, and it raises the revision.
 */
async function refuseWritten(
  { id, datastores }: Manifest,
  { plan, datastores: planned, platform, cluster, name: controlPlane }: OpenedRestore,
  ports: ClusterRunPorts,
): Promise<void> {
  const fenced = await readFenced(plan.operation, ports);
  for (const { plan: datastore, installation } of planned) {
    const { datastore: name, outages } = datastore;
    const revision = datastores.find((taken) => taken.name === name)?.revision;
    const expected = fenced?.datastores[name]?.revision;
    if (revision === expected || outages.length > 0) continue;
    const workload = workloadOf(installation, await platform.etcdTls(cluster.api, controlPlane));
    const reach = { cluster, signal: ports.signal };
    const written =
      expected === undefined || (await withAnyMember(workload, reach, (client) => wasWrittenAfter(client, expected)));
    if (!written) continue;
    throw new ConflictError(
      `datastore ${name} was written to behind the fence: at revision ${revision ?? 'none'} instead of ${expected ?? 'none'}`,
      { remedy: `Find out who writes to it. Recovery point ${id} holds what it was.` },
    );
  }
}

/** What a member says that can't give a snapshot, or none that is right. */
const NOT_TO_BE_HAD = [NoUsableMemberError, DatastoreError, TunnelError, CorruptSnapshotError];

async function takeIfPossible(
  { plan, name, platform, cluster }: OpenedRestore,
  ports: ClusterRunPorts,
): Promise<Manifest | { readonly reasonForNone: string }> {
  try {
    return await takeRecoveryPoint(
      { controlPlane: name, platform, reason: 'safety', operation: plan.operation },
      { ...ports, cluster },
    );
  } catch (error) {
    ports.signal.throwIfAborted();
    if (isWhole(plan) || !(error instanceof LifeboatError) || !NOT_TO_BE_HAD.some((type) => error instanceof type)) {
      throw error;
    }
    return { reasonForNone: error.message };
  }
}
