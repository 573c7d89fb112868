import type * as z from 'zod';
import type { attemptedSchema, DirectedRestore } from '../../domain/restore.ts';
import { readMark } from '../../operations/mark.ts';
import type { ClusterRunPorts } from '../../operations/ports.ts';
import { accessTo } from '../../recovery-points/reach.ts';
import { runningDatastore } from '../breach.ts';
import { openRestore } from '../open-restore.ts';
import { readFenceBegun, recordFenceBegun, recordFenced } from '../records.ts';
import { endsNothing, standingOf } from '../resumed.ts';
import { holdFence } from './behind-fence.ts';
import { repeatUntilDone } from './repeat-until-done.ts';

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
    if (standing === 'stopping' && (await runningDatastore(restore)) === undefined) return undefined;
    const access = await accessTo(restore, ports.signal);
    const serving = restore.datastores.filter(({ plan }) => plan.outages.length === 0);
    const marks = await Promise.all(serving.map(({ datastore, driver }) => driver.writeMark(datastore, access)));
    restore.strategy.refuseOutgrown(new Map(serving.map(({ plan }, index) => [plan, marks[index] ?? ''])));
    const still = before === marks.join();
    before = marks.join();
    if (!still) return 'the datastores are still written to';
    const seals = await Promise.all(
      serving.map(async ({ datastore, driver }, index) => {
        return [datastore.name, await driver.seal(marks[index] ?? '', datastore, access)] as const;
      }),
    );
    await recordFenced(item.operation, { at, datastores: Object.fromEntries(seals) }, ports);
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
