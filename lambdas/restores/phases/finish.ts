import type * as z from 'zod';
import { takePauseAway } from '../../control-planes/pause.ts';
import { GateError } from '../../domain/errors.ts';
import type { attemptedSchema, DirectedRestore, RestorePlan } from '../../domain/restore.ts';
import { crashedPods, restartCrashed } from '../../kube/crashed-pods.ts';
import { removeMark } from '../../operations/mark.ts';
import type { ClusterRunPorts } from '../../operations/ports.ts';
import { whyKept } from '../kept.ts';
import { isLeftToOther, namespacesOf, openRestore } from '../open-restore.ts';
import {
  doneName,
  isFenceBegun,
  isOldServed,
  isServed,
  readAbandonedWay,
  recordCrashed,
  stepName,
} from '../records.ts';
import { removeStaged } from '../staging.ts';
import { repeatUntilDone } from './repeat-until-done.ts';

/** So long pods of the control plane that crashed without the API are waited for; then they are named. */
const CRASHED_SECONDS = 30;

/**
 * Leaves the control plane to its platform again: the pause as it was before, what crashed without the API started again, and
 * nothing of the operation in the namespace or on volumes, unless what lay there before is in no verified recovery point. It also
 * ends a restore that was not begun, and one that is abandoned.
 */
export async function finishRestore(
  item: DirectedRestore,
  ports: ClusterRunPorts,
): Promise<z.infer<typeof attemptedSchema>> {
  const step = stepName('finish-restore', item.direction);
  if (await ports.journal.has(item.operation, doneName(step))) {
    await removeMark(item, ports);
    return { done: true };
  }
  // First: it needs no management cluster, and what is staged is readable.
  await removeStaged(item.operation, ports);
  if (await isLeftToOther(item, ports)) return { done: true };
  const restore = await openRestore(item, 'finish-restore', ports);
  await refuseStopped(item, ports);
  const { platform, cluster, name, plan } = restore;
  const isRestored = item.direction === 'forward' || (await isServed(item.operation, ports));
  if (isRestored) await platform.markRestored(cluster.api, name);
  await takePauseAway(item.operation, plan.target.pausedUntil, restore, ports);
  const goal = {
    step: 'finish-restore',
    direction: item.direction,
    remedy: 'The control plane works. Remove the pods named lifeboat-… and the directory of that name on the volumes.',
  } as const;
  await eachNamespace(plan, (namespace) => restartCrashed(cluster.api, namespace));
  const isKept = (await whyKept(item.operation, item.direction, ports)) !== undefined;
  const clearing = { direction: item.direction, isRestored, isKept };
  const clear = await restore.strategy.clear(restore, clearing, ports);
  const attempted = await repeatUntilDone(item, goal, ports, async (workedSeconds) => {
    const waitsFor = await clear(workedSeconds);
    if (waitsFor !== undefined) return waitsFor;
    const crashed = await eachNamespace(plan, (namespace) => crashedPods(cluster.api, namespace));
    if (crashed.length > 0 && workedSeconds < CRASHED_SECONDS)
      return `${crashed.join(', ')} crashed and must come up again`;
    await recordCrashed(item.operation, crashed, ports);
    return undefined;
  });
  // At last: until then nobody else may begin.
  if (attempted.done) await removeMark(item, ports);
  return attempted;
}

/** GateError where all would be left paused no more, and stopped: what was fenced must be started again before. */
async function refuseStopped({ operation, controlPlane, direction }: DirectedRestore, ports: ClusterRunPorts) {
  if (direction === 'forward' || !(await isFenceBegun(operation, ports)) || (await isOldServed(operation, ports)))
    return;
  if ((await readAbandonedWay(operation, ports)) === 'leave') return;
  throw new GateError(`${controlPlane} is fenced by restore ${operation} and was not started again`, {
    remedy: `"lifeboat abandon ${operation}" starts it, or says how it leaves it.`,
  });
}

async function eachNamespace(plan: RestorePlan, work: (namespace: string) => Promise<string[]>): Promise<string[]> {
  return (await Promise.all([...namespacesOf(plan)].map(work))).flat();
}
