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
 * what is put aside stays on the volumes. Gives {@link keepPaused} for what the step waits for first.
 */
export async function holdFence(
  item: DirectedRestore,
  restore: OpenedRestore,
  ports: ClusterRunPorts,
): Promise<() => Promise<string | undefined>> {
  const reason = await lapseOf(item.lock.token, restore, ports);
  if (reason !== undefined) {
    await recordBreach(item.operation, { at: ports.clock().toISOString(), reason }, ports);
    if (item.direction === 'forward') {
      throw new GateError(`the fence around ${item.controlPlane} no longer stands: ${reason}`, {
        remedy: 'Somebody may have written meanwhile. The restore is rolled back; begin a new one.',
      });
    }
  }
  return keepPaused(restore, ports);
}

/**
 * Sets the pause again where it would end too soon, once, and gives a look at whether the reconcilers know: until then they may put
 * back what is ended. The look tells what it waits for; undefined when the pause stands.
 */
export function keepPaused(
  { plan, platform, cluster, name }: OpenedRestore,
  { clock, journal }: Pick<ClusterRunPorts, 'clock' | 'journal'>,
): () => Promise<string | undefined> {
  let isSet = false;
  let stands = false;
  return async () => {
    if (stands) return undefined;
    const now = clock().getTime();
    const known = await platform.readPause(cluster.api, name);
    stands = known === 'true' || (known != null && Date.parse(known) > now + NEEDED_MILLISECONDS);
    if (stands) return undefined;
    if (!isSet) {
      const until = new Date(now + PAUSE_MILLISECONDS).toISOString().replace(/\.\d+Z$/, 'Z');
      await recordPauseBefore(plan.operation, known ?? null, { journal });
      await recordPauseSet(plan.operation, until, { journal });
      await platform.setPause(cluster.api, name, until);
      isSet = true;
    }
    stands = known === undefined;
    return stands ? undefined : `the pause has to be taken up by ${platform.pauseIsTakenUpBy}`;
  };
}
