import type * as z from 'zod';
import type { Awaited } from '../../../statemachines/restore-control-plane/steps.ts';
import { keepPaused } from '../../control-planes/pause.ts';
import { GateError } from '../../domain/errors.ts';
import type { attemptedSchema, DirectedRestore } from '../../domain/restore.ts';
import type { ClusterRunPorts } from '../../operations/ports.ts';
import { lapseOf } from '../breach.ts';
import { openRestore, type OpenedRestore } from '../open-restore.ts';
import { recordBreach } from '../records.ts';
import type { Look } from '../strategies/strategy.ts';
import { repeatUntilDone } from './repeat-until-done.ts';

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

/** A step of a restore behind its fence. */
export interface PhaseBehindFence {
  readonly step: Extract<Awaited, 'stop-datastore' | 'swap-data' | 'start-datastore' | 'start-control-plane'>;
  /** What a person should do when it is not done in time. */
  readonly remedy: string;
  /** Whether nothing is to be done any more: a late delivery, or a way back from what was never begun. */
  readonly isOver: (item: DirectedRestore, ports: ClusterRunPorts) => Promise<boolean>;
  /** Made once a call; its looks begin once the fence is held and its pause stands. */
  readonly look: (restore: OpenedRestore, item: DirectedRestore, ports: ClusterRunPorts) => Look;
}

/** What the function of such a step does. */
export function behindFence({ step, remedy, isOver, look }: PhaseBehindFence) {
  return async (item: DirectedRestore, ports: ClusterRunPorts): Promise<z.infer<typeof attemptedSchema>> => {
    if (await isOver(item, ports)) return { done: true };
    const restore = await openRestore(item, step, ports);
    const pauseWaits = await holdFence(item, restore, ports);
    const attempt = look(restore, item, ports);
    const goal = { step, direction: item.direction, remedy };
    return await repeatUntilDone(
      item,
      goal,
      ports,
      async (seconds) => (await pauseWaits()) ?? (await attempt(seconds)),
    );
  };
}
