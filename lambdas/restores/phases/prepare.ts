import type * as z from 'zod';
import { stepTimesSchema, type attemptedSchema, type DirectedRestore } from '../../domain/restore.ts';
import type { ClusterRunPorts } from '../../operations/ports.ts';
import { openRestore } from '../open-restore.ts';
import { doneName } from '../records.ts';
import { repeatUntilDone } from './repeat-until-done.ts';

/** Prepares the recovery point's data beside the live ones, while the control plane goes on working. */
export async function prepareData(
  item: DirectedRestore,
  ports: ClusterRunPorts,
): Promise<z.infer<typeof attemptedSchema>> {
  // What prepares is gone when the restore has ended: a late delivery must not prepare anything again.
  const prepared = await ports.journal.read(item.operation, doneName('prepare-data'), stepTimesSchema);
  if (prepared !== undefined) return { done: true };
  const restore = await openRestore(item, 'prepare-data', ports);
  const goal = {
    step: 'prepare-data',
    direction: item.direction,
    remedy: 'Look at the pods named lifeboat-… in the namespace of the control plane and their events.',
  } as const;
  return await repeatUntilDone(item, goal, ports, await restore.strategy.prepare(restore, ports));
}
