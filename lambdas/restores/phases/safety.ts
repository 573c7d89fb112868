import type * as z from 'zod';
import { drivers } from '../../datastores/registry.ts';
import {
  ConflictError,
  CorruptSnapshotError,
  DatastoreError,
  LifeboatError,
  NotFoundError,
  NoUsableMemberError,
  TunnelError,
} from '../../domain/errors.ts';
import type { Manifest } from '../../domain/recovery-point.ts';
import { safetyPointSchema, type DirectedRestore, type SafetyPoint } from '../../domain/restore.ts';
import { verdictOf } from '../../domain/verdict.ts';
import type { ClusterRunPorts } from '../../operations/ports.ts';
import { accessTo } from '../../recovery-points/reach.ts';
import { takeRecoveryPoint } from '../../recovery-points/take.ts';
import type { CataloguedPoint } from '../../store/catalogue.ts';
import { isWhole, openRestore, type OpenedRestore } from '../open-restore.ts';
import { readFenced, readSafetyIds, recordSafetyId } from '../records.ts';
import { holdFence } from './behind-fence.ts';

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
    const restore = await openRestore(item, 'take-safety-point', ports);
    const renewPause = await holdFence(item, restore, ports);
    // The pause of before lasts on while the new one is taken up; the next step waits for that.
    await renewPause();
    const done = (point: Omit<SafetyPoint, 'startedAt' | 'doneAt'>) => {
      return { ...point, startedAt, doneAt: ports.clock().toISOString() };
    };
    const former = await findTaken(restore, ports);
    const manifest = former?.manifest ?? (await takeIfPossible(restore, ports));
    if ('reasonForNone' in manifest)
      return done({ id: null, reason: manifest.reasonForNone, verdict: null, isComplete: false });
    await refuseWritten(manifest, restore, ports);
    const isComplete = manifest.datastores.every((entry) => drivers[entry.kind].isComplete(entry));
    return done({ id: manifest.id, reason: null, verdict: former?.verdict ?? verdictOf(manifest), isComplete });
  });
}

/**
 * What an earlier delivery has taken that ended between the point's manifest and the journal. Only one whose id the restore has noted
 * itself, where nothing but restores may write: whoever writes recovery points could give another one the operation's name.
 */
async function findTaken({ plan, name }: OpenedRestore, ports: ClusterRunPorts): Promise<CataloguedPoint | undefined> {
  for (const id of await readSafetyIds(plan.operation, ports)) {
    const point = await ports.catalogue.find(id, name).catch((error: unknown) => {
      if (error instanceof NotFoundError) return undefined;
      throw error;
    });
    if (point === undefined) continue;
    const { manifest } = point;
    const isIt =
      manifest.id === id &&
      manifest.controlPlane === plan.controlPlane &&
      manifest.reason === 'safety' &&
      manifest.operation === plan.operation;
    if (isIt) return point;
  }
  return undefined;
}

/**
 * ConflictError when somebody writes behind the fence. That keys are deleted is no writing: etcd does it by itself when their leases
 * end, e.g. those of events, and it raises the revision.
 */
async function refuseWritten(
  { id, datastores }: Manifest,
  restore: OpenedRestore,
  ports: ClusterRunPorts,
): Promise<void> {
  const fenced = await readFenced(restore.plan.operation, ports);
  for (const { plan, datastore, driver } of restore.datastores) {
    const revision = datastores.find(({ name }) => name === datastore.name)?.revision;
    const seal = fenced?.datastores[datastore.name];
    if (plan.outages.length > 0 || (seal !== undefined && revision === seal.revision)) continue;
    const reason = seal && (await driver.whyWritten(seal, datastore, await accessTo(restore, ports.signal)));
    if (seal !== undefined && reason === undefined) continue;
    throw new ConflictError(
      `datastore ${datastore.name} was written to behind the fence: ${reason ?? 'what it held there was not noted'}`,
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
      {
        controlPlane: name,
        platform,
        reason: 'safety',
        operation: plan.operation,
        onId: (id) => recordSafetyId(plan.operation, id, ports),
      },
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
