import type * as z from 'zod';
import { takePauseAway } from '../../control-planes/pause.ts';
import { helperPodName } from '../../datastores/etcd/restore/helper-pods.ts';
import { hasBegun, podProgress } from '../../datastores/etcd/restore/pod-progress.ts';
import { GateError } from '../../domain/errors.ts';
import type { EtcdMemberVolume } from '../../domain/etcd-installation.ts';
import type { attemptedSchema, DirectedRestore, RestorePlan } from '../../domain/restore.ts';
import { crashedPods, restartCrashed } from '../../kube/crashed-pods.ts';
import { removeMark } from '../../operations/mark.ts';
import type { ClusterRunPorts } from '../../operations/ports.ts';
import { readBegunPods } from '../strategies/swap-volumes/fed-pods.ts';
import { onVolumes, removeHelperPods } from '../strategies/swap-volumes/follow-pods.ts';
import { whyKept } from '../kept.ts';
import { isLeftToOther, namespacesOf, openRestore, type OpenedRestore } from '../open-restore.ts';
import {
  doneName,
  isFenceBegun,
  isOldServed,
  isPrepareBegun,
  isServed,
  isSwapBegun,
  readAbandonedWay,
  recordCrashed,
  recordUntouched,
  stepName,
} from '../records.ts';
import { repeatUntilDone } from './repeat-until-done.ts';
import { removeStaged } from '../staging.ts';

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
  const untouched = await untouchedMembers(item, restore, ports);
  const cleared = await withVolumesToClear(restore, isKept, ({ pod }) => untouched.includes(pod));
  const clear = onVolumes(cleared, { action: 'clear', isCopied: isRestored && !isKept }, ports);
  let isCleared = false;
  const attempted = await repeatUntilDone(item, goal, ports, async (workedSeconds) => {
    if (!isCleared) {
      const waitsFor = await clear();
      if (waitsFor !== undefined) return waitsFor;
      isCleared = true;
    }
    const waitsFor = await removeHelperPods(restore);
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

/**
 * The members on whose volumes nothing of the operation is, so that no pod, whose image may not be there either, has to clear them:
 * none was prepared, or the pod of the preparation is there and can't begin. As the first call found it: the pods go.
 */
async function untouchedMembers(
  { operation, direction }: DirectedRestore,
  { cluster, datastores }: OpenedRestore,
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
        preparation !== undefined && !hasBegun(preparation) && podProgress(preparation).state === 'blocked';
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
  const datastores = restore.datastores.map(async ({ plan, installation }) => {
    const { namespace, members } = installation;
    const cleared = await Promise.all(
      members.map(async (member) => ((await isToBeCleared(member, namespace)) ? [member] : [])),
    );
    return { plan, installation: { ...installation, members: cleared.flat() } };
  });
  return { ...restore, datastores: await Promise.all(datastores) };
}
