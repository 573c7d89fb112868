import { parseControlPlaneName } from '../domain/control-plane.ts';
import type { LockedRestore } from '../domain/restore.ts';
import { guardCluster } from '../kube/guarded-cluster.ts';
import type { Cluster } from '../kube/cluster.ts';
import { checkLock, keepLock } from '../operations/lock.ts';
import { checkMark, keepMark } from '../operations/mark.ts';
import type { ClusterRunPorts } from '../operations/ports.ts';

/** A control plane that a restore has to itself. */
export interface HeldControlPlane {
  /** Its management cluster; whatever would change something there is refused as soon as the lock or the mark is lost. */
  readonly cluster: Cluster;
  /** LockedError when lock or mark are lost: for changes elsewhere. */
  readonly checkHold: () => Promise<void>;
}

/** Extends lock and mark of a restore, and gives what it may work with under them. LockedError when one is lost. */
export async function holdControlPlane(item: LockedRestore, ports: ClusterRunPorts): Promise<HeldControlPlane> {
  const { hadExpired } = await keepLock(item, ports);
  await keepMark(item, { wasAway: hadExpired }, ports);
  const checkHold = shared(async () => {
    await Promise.all([checkLock(item, ports), checkMark(item, ports)]);
  });
  const { managementCluster } = parseControlPlaneName(item.controlPlane);
  return { cluster: guardCluster(await ports.connect(managementCluster), checkHold), checkHold };
}

/** What is asked for while it is under way is done once for all who ask: pods are made side by side. */
function shared(work: () => Promise<void>): () => Promise<void> {
  let underWay: Promise<void> | undefined;
  return () => {
    underWay ??= work().finally(() => (underWay = undefined));
    return underWay;
  };
}
