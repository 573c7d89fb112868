import type * as z from 'zod';
import type { convergedSchema, DirectedRestore } from '../domain/restore.ts';
import type { EtcdMemberVolume } from '../domain/etcd-installation.ts';
import type { ClusterRunPorts } from '../operations/ports.ts';
import { converge } from './converge.ts';
import { removeHelperPods, runOnVolumes } from './helper-pods.ts';
import { namespacesOf, openRestore, type OpenedRestore } from './opened.ts';
import { readSafetyPoint } from './records.ts';
import { removeStaged } from './staging.ts';
import { restartCrashed } from './workloads.ts';

/**
 * Leaves the control plane to its platform again: the pause as it was before, what crashed without the API started again, and
 * nothing of the operation in the namespace or on volumes, unless what lay there before is in no recovery point. It also ends a
 * restore that was not begun.
 */
export async function finishRestore(
  item: DirectedRestore,
  ports: ClusterRunPorts,
): Promise<z.infer<typeof convergedSchema>> {
  const restore = await openRestore(item, ports);
  const { platform, cluster, name, plan } = restore;
  if (item.direction === 'forward') await platform.markRestored(cluster.api, name);
  await platform.setPause(cluster.api, name, plan.target.pausedUntil);
  const goal = {
    step: 'finish-restore',
    direction: item.direction,
    limitSeconds: 300,
    remedy: 'The control plane works. Remove the pods named lifeboat-… and the directory of that name on the volumes.',
  };
  for (const namespace of namespacesOf(plan)) await restartCrashed(cluster.api, namespace);
  await removeStaged(item.operation, ports);
  const safety = await readSafetyPoint(item.operation, ports);
  const cleared = await withVolumesToClear(restore, item.direction === 'forward' && safety?.id === null);
  let isCleared = false;
  return await converge(item, goal, ports, async () => {
    if (!isCleared) {
      const waitsFor = await runOnVolumes(cleared, 'clear', ports);
      if (waitsFor !== undefined) return waitsFor;
      isCleared = true;
    }
    return await removeHelperPods(restore);
  });
}

/** The same with the members on whose volumes nothing has to stay: what lay there before may be in no recovery point. */
async function withVolumesToClear(restore: OpenedRestore, isOnlyCopy: boolean): Promise<OpenedRestore> {
  const { api } = restore.cluster;
  const isToBeCleared = async ({ lostClaim, claim }: EtcdMemberVolume, namespace: string) => {
    if (lostClaim === null) return !isOnlyCopy;
    // A restore that ended early may not have made it.
    return (await api.get({ apiVersion: 'v1', kind: 'PersistentVolumeClaim', namespace, name: claim })) !== undefined;
  };
  const datastores = restore.datastores.map(async ({ plan, installation }) => {
    const { namespace, members } = installation;
    const cleared = await Promise.all(
      members.map(async (member) => ((await isToBeCleared(member, namespace)) ? [member] : [])),
    );
    return { plan, installation: { ...installation, members: cleared.flat() } };
  });
  return { ...restore, datastores: await Promise.all(datastores) };
}
