import { keepPaused } from '../control-planes/pause.ts';
import type { KubernetesObject } from '../domain/kubernetes-object.ts';
import { describeObject } from '../domain/kubernetes-object.ts';
import type { ClusterRunPorts } from '../operations/ports.ts';
import { readIdentity } from '../recovery-points/identity.ts';
import { isWhole, type OpenedRestore } from './open-restore.ts';

/**
 * Makes what the plan found lost and what the next steps work with: first the Secrets and ConfigMaps of the recovery point, then
 * the other `objects`, e.g. the members' claims. The reconcilers are paused before, for they would sign with new keys. Nothing that is there is changed,
 * and nothing at all is done for a control plane that lacks nothing. Gives a look at it: what it waits for; undefined when all is made.
 * Safe to repeat.
 */
export function rebuildLost(
  restore: OpenedRestore,
  objects: readonly KubernetesObject[],
  ports: ClusterRunPorts,
): () => Promise<string | undefined> {
  const { plan, cluster, name } = restore;
  const lacksNothing = plan.lostIdentity.length === 0 && objects.length === 0 && isWhole(plan);
  const pauseWaits = keepPaused(plan.operation, restore, ports);
  return async () => {
    if (lacksNothing) return undefined;
    const waitsFor = await pauseWaits();
    if (waitsFor !== undefined) return waitsFor;
    if (plan.lostIdentity.length > 0) {
      const identity = await readIdentity(await ports.catalogue.find(plan.point, name), ports.store);
      const lost = identity.filter((object) => plan.lostIdentity.includes(describeObject(object)));
      for (const object of lost) await cluster.api.create(withoutHistory(object));
    }
    for (const object of objects) await cluster.api.create(object);
    return undefined;
  };
}

/** An object as somebody would make it who had it before: without what the API server and dead owners have put into it. */
function withoutHistory({ metadata, ...object }: KubernetesObject): KubernetesObject {
  const { name, namespace, labels, annotations } = metadata;
  return {
    ...object,
    metadata: { name, ...(namespace && { namespace }), ...(labels && { labels }), ...(annotations && { annotations }) },
  };
}
