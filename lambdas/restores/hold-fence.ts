import { keepPaused } from '../control-planes/pause.ts';
import { GateError } from '../domain/errors.ts';
import type { DirectedRestore } from '../domain/restore.ts';
import type { ClusterRunPorts } from '../operations/ports.ts';
import { lapseOf } from './breach.ts';
import type { OpenedRestore } from './open-restore.ts';
import { recordBreach } from './records.ts';

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
  return keepPaused(item.operation, restore, ports);
}
