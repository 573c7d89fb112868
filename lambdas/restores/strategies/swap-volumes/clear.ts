import { helperPodName } from '../../../datastores/etcd/restore/helper-pods.ts';
import { hasBegun, progressOf } from '../../../datastores/etcd/restore/pod-progress.ts';
import type { EtcdMemberVolume } from '../../../domain/etcd-installation.ts';
import type { Direction } from '../../../domain/restore.ts';
import type { ClusterRunPorts } from '../../../operations/ports.ts';
import type { OpenedRestore } from '../../open-restore.ts';
import { isPrepareBegun, isSwapBegun, recordUntouched } from '../../records.ts';
import type { Clearing, Look } from '../strategy.ts';
import { readBegunPods } from './fed-pods.ts';
import { onVolumes, removeHelperPods } from './follow-pods.ts';

/** Removes the restore's directories from the volumes, then its pods. */
export async function clear(
  restore: OpenedRestore,
  { direction, isRestored, isKept }: Clearing,
  ports: ClusterRunPorts,
): Promise<Look> {
  const untouched = await untouchedMembers(restore, direction, ports);
  const cleared = await withVolumesToClear(restore, isKept, ({ pod }) => untouched.includes(pod));
  const clearVolumes = onVolumes(cleared, { action: 'clear', isCopied: isRestored && !isKept }, ports);
  let areCleared = false;
  return async () => {
    const waitsFor = areCleared ? undefined : await clearVolumes();
    if (waitsFor !== undefined) return waitsFor;
    areCleared = true;
    return await removeHelperPods(restore);
  };
}

/**
 * The members on whose volumes nothing of the operation is, so that no pod, whose image may not be there either, has to clear them:
 * none was prepared, or the pod of the preparation is there and can't begin. As the first call found it: the pods go.
 */
async function untouchedMembers(
  { plan: { operation }, cluster, datastores }: OpenedRestore,
  direction: Direction,
  ports: ClusterRunPorts,
): Promise<readonly string[]> {
  if (direction === 'forward' || (await isSwapBegun(operation, ports))) return [];
  const isPrepared = await isPrepareBegun(operation, ports);
  const begun = await readBegunPods(operation, ports);
  const found: string[] = [];
  for (const { installation } of datastores) {
    for (const { pod } of installation.members) {
      const name = helperPodName(operation, 'prepare', pod);
      const { namespace } = installation;
      const preparation = await cluster.api.get({ apiVersion: 'v1', kind: 'Pod', namespace, name });
      const neverRan =
        preparation !== undefined && !hasBegun(preparation) && progressOf(preparation).state === 'blocked';
      if (!isPrepared || (neverRan && !begun.includes(name))) found.push(pod);
    }
  }
  return await recordUntouched(operation, found, ports);
}

/** The same with the members on whose volumes nothing has to stay. */
async function withVolumesToClear(
  restore: OpenedRestore,
  isKept: boolean,
  isUntouchedMember: (member: EtcdMemberVolume) => boolean,
): Promise<OpenedRestore> {
  const { api } = restore.cluster;
  const isToBeCleared = async (member: EtcdMemberVolume, namespace: string) => {
    const { lostClaim, claim } = member;
    if (isUntouchedMember(member)) return false;
    if (lostClaim === null) return !isKept;
    // A restore that ended early may not have made it.
    return (await api.get({ apiVersion: 'v1', kind: 'PersistentVolumeClaim', namespace, name: claim })) !== undefined;
  };
  const datastores = restore.datastores.map(async (datastore) => {
    const { installation } = datastore;
    const { namespace, members } = installation;
    const cleared = await Promise.all(
      members.map(async (member) => ((await isToBeCleared(member, namespace)) ? [member] : [])),
    );
    return { ...datastore, installation: { ...installation, members: cleared.flat() } };
  });
  return { ...restore, datastores: await Promise.all(datastores) };
}
