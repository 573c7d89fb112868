import { GateError } from '../domain/errors.ts';
import type { DirectedRestore } from '../domain/restore.ts';
import type { ClusterRunPorts } from '../operations/ports.ts';
import { lapseOf } from './breach.ts';
import type { OpenedRestore } from './opened.ts';
import { recordBreach, recordPauseBefore, recordPauseSet } from './records.ts';

/** A pause that ends by itself, should nobody be left to take it away; every step that needs it looks after it. */
const PAUSE_MILLISECONDS = 30 * 60 * 1000;
/** No step is given more time than this: a pause that lasts longer is enough for it. */
const NEEDED_MILLISECONDS = 20 * 60 * 1000;

/**
 * Holds the fence for a step behind it: sets the pause again where it would end too soon. Forward, GateError when the pause has
 * lapsed or somebody else had the control plane's lock since: then nobody knows who has written. Back, that is noted, and
 * what is put aside stays on the volumes.
 */
export async function holdFence(item: DirectedRestore, restore: OpenedRestore, ports: ClusterRunPorts): Promise<void> {
  const reason = await lapseOf(item.lock.token, restore, ports);
  if (reason !== undefined) {
    await recordBreach(item.operation, { at: ports.clock().toISOString(), reason }, ports);
    if (item.direction === 'forward') {
      throw new GateError(`the fence around ${item.controlPlane} no longer stands: ${reason}`, {
        remedy: 'Somebody may have written meanwhile. The restore is rolled back; begin a new one.',
      });
    }
  }
  await keepPaused(restore, ports);
}

/** Sets the pause again where it would end too soon; the API is away while its reconcilers are waited for. */
export async function keepPaused(
  { plan, platform, cluster, name }: OpenedRestore,
  { clock, journal }: ClusterRunPorts,
): Promise<void> {
  const now = clock().getTime();
  const present = await platform.readPause(cluster.api, name);
  if (present === 'true' || (present !== null && Date.parse(present) > now + NEEDED_MILLISECONDS)) return;
  const until = new Date(now + PAUSE_MILLISECONDS).toISOString().replace(/\.\d+Z$/, 'Z');
  await recordPauseBefore(plan.operation, present, { journal });
  await recordPauseSet(plan.operation, until, { journal });
  await platform.setPause(cluster.api, name, until);
}
