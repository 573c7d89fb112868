import type * as z from 'zod';
import type { convergedSchema, DirectedRestore } from '../domain/restore.ts';
import type { ClusterRunPorts } from '../operations/ports.ts';
import { converge } from './converge.ts';
import { removeHelperPods, runOnVolumes } from './helper-pods.ts';
import { namespacesOf, openRestore } from './opened.ts';
import { restartCrashed } from './workloads.ts';

/**
 * Leaves the control plane to its platform again: the pause as it was before, what crashed without the API started again, and
 * nothing of the operation on volumes or in the namespace. It also ends a restore that was not begun.
 */
export async function finishRestore(
  item: DirectedRestore,
  ports: ClusterRunPorts,
): Promise<z.infer<typeof convergedSchema>> {
  const restore = await openRestore(item, ports);
  const { platform, cluster, name, plan } = restore;
  await platform.setPause(cluster.api, name, plan.target.pausedUntil);
  const goal = {
    step: 'finish-restore',
    direction: item.direction,
    limitSeconds: 300,
    remedy: 'The control plane works. Remove the pods named lifeboat-… and the directory of that name on the volumes.',
  };
  for (const namespace of namespacesOf(plan)) await restartCrashed(cluster.api, namespace);
  let cleared = false;
  return await converge(item, goal, ports, async () => {
    if (!cleared) {
      const waitsFor = await runOnVolumes(restore, 'clear', ports.configuration.restore?.helperImage);
      if (waitsFor !== undefined) return waitsFor;
      cleared = true;
    }
    return await removeHelperPods(restore);
  });
}
