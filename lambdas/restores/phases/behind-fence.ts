import type * as z from 'zod';
import { keepPaused } from '../../control-planes/pause.ts';
import { GateError } from '../../domain/errors.ts';
import type { attemptedSchema, DirectedRestore } from '../../domain/restore.ts';
import type { ClusterRunPorts } from '../../operations/ports.ts';
import { lapseOf } from '../breach.ts';
import type { OpenedRestore } from '../open-restore.ts';
import { recordBreach } from '../records.ts';
import { repeatUntilDone, type Goal } from './repeat-until-done.ts';

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

/** Works for a goal behind the fence: as {@link repeatUntilDone}, once the fence is held and its pause stands. */
export async function repeatBehindFence(
  item: DirectedRestore,
  restore: OpenedRestore,
  { step, remedy }: Omit<Goal, 'direction'>,
  ports: ClusterRunPorts,
  attempt: () => Promise<string | undefined>,
): Promise<z.infer<typeof attemptedSchema>> {
  const pauseWaits = await holdFence(item, restore, ports);
  const goal = { step, direction: item.direction, remedy };
  return await repeatUntilDone(item, goal, ports, async () => (await pauseWaits()) ?? (await attempt()));
}
