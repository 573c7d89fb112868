import { parseControlPlaneName } from '../domain/control-plane.ts';
import type { Held } from '../domain/operation.ts';
import { guardCluster } from '../kube/guarded-cluster.ts';
import type { Cluster } from '../kube/cluster.ts';
import { checkLock, keepLock } from '../operations/lock.ts';
import { checkMark, keepMark, type PlannedMarking } from '../operations/mark.ts';
import type { ClusterRunPorts } from '../operations/ports.ts';

/** A control plane that an operation has to itself. */
export interface HeldControlPlane {
  /** Its management cluster; whatever would change something there is refused as {@link holdControlPlane} says. */
  readonly cluster: Cluster;
  /** Errors as of a change there: for changes elsewhere. */
  readonly checkHold: () => Promise<void>;
}

/**
 * Extends lock and mark of an operation, and gives what it may work with under them. LockedError when one is lost, GateError when
 * the control plane is another one than was planned. A change is also refused as `refuse` says, which is asked each time.
 */
export async function holdControlPlane(
  item: Held & PlannedMarking,
  refuse: () => Promise<void>,
  ports: ClusterRunPorts,
): Promise<HeldControlPlane> {
  const { hadExpired } = await keepLock(item, ports);
  await keepMark(item, { wasAway: hadExpired }, ports);
  const checkHold = shared(async () => {
    await Promise.all([checkLock(item, ports), checkMark(item, ports), refuse()]);
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
