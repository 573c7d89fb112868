import { GateError } from '../../domain/errors.ts';
import type { ClusterRunPorts } from '../../operations/ports.ts';
import { accessTo } from '../../recovery-points/reach.ts';
import type { OpenedRestore } from '../open-restore.ts';
import { isOldStarted, readBreach, readFenced } from '../records.ts';
import { endsNothing, refuseTakenBack, startsNothing } from '../resumed.ts';
import { behindFence } from './behind-fence.ts';

/** Brings the datastores to where their data can be exchanged. */
export const stopDatastore = behindFence({
  step: 'stop-datastore',
  remedy: 'Look at the pods of the StatefulSet: something keeps them, e.g. a node that does not answer.',
  isOver: endsNothing,
  look: (restore) => restore.strategy.stop(restore),
});

/** Puts what was prepared where the data was, or puts the old data back. */
export const swapData = behindFence({
  step: 'swap-data',
  remedy:
    'Look at the pods named lifeboat-… in the namespace of the control plane and their events. One that stays while it is deleted is on a ' +
    'node that does not answer: bring the node back, or make sure that it is off and delete the Node. Then resume the restore.',
  isOver: async (item, ports) => {
    await refuseTakenBack(item, ports);
    return await endsNothing(item, ports);
  },
  look: (restore, { direction }, ports) => restore.strategy.exchange(restore, direction, ports),
});

/**
 * Starts the datastores, until they are whole and their content is right: that of the recovery point, value by value of a sample, as
 * nobody can write yet; or that of the time before. One that did not serve then only gets what it had.
 */
export const startDatastore = behindFence({
  step: 'start-datastore',
  remedy: "Read the logs of etcd's pods; its data and those of the time before are still on the volumes.",
  isOver: (item, ports) => startsNothing('start-datastore', item, ports),
  look: (restore, item, ports) => {
    const start = restore.strategy.start(restore, item.direction, ports);
    const compare = () =>
      item.direction === 'forward' ? compareWithPoint(restore, ports) : compareWithBefore(restore, ports);
    return async (seconds) => (await start(seconds)) ?? (await compare());
  },
});

async function compareWithPoint(restore: OpenedRestore, { signal }: ClusterRunPorts): Promise<undefined> {
  const access = await accessTo(restore, signal);
  for (const { plan, datastore, driver } of restore.datastores) {
    const { sample } = plan;
    const wrong = await driver.unlike(sample, datastore, access);
    if (wrong.length === 0) continue;
    throw new GateError(
      `datastore ${datastore.name}: ${wrong.length} of ${sample.length} sampled objects are not those of the recovery point: ${wrong.slice(0, 5).join(', ')}`,
      { remedy: 'The restore is rolled back; do not use this recovery point again before you know why.' },
    );
  }
  return undefined;
}

/**
 * Gives what it waits for. What was written later, behind the fence as well, is there as before and no reason to stop. Where somebody may
 * have replaced the data meanwhile, what is found is theirs; so is what was served again already.
 */
async function compareWithBefore(restore: OpenedRestore, ports: ClusterRunPorts): Promise<string | undefined> {
  const { operation } = restore.plan;
  const fenced = await readFenced(operation, ports);
  if (fenced === undefined || (await readBreach(operation, ports)) !== undefined) return undefined;
  if (await isOldStarted(operation, ports)) return undefined;
  for (const { plan, datastore, driver } of restore.datastores) {
    const seal = fenced.datastores[datastore.name];
    if (seal === undefined || plan.outages.length > 0) continue;
    const { other, untold } = await driver.compareSeal(seal, datastore, await accessTo(restore, ports.signal));
    if (other !== undefined) {
      throw new GateError(`datastore ${datastore.name} does not hold what it held before the restore: ${other}`, {
        remedy: 'The safety recovery point of this operation holds it; restore that one.',
      });
    }
    if (untold !== undefined) return untold;
  }
  return undefined;
}
