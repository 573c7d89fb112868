import { formatControlPlaneName, parseControlPlaneName } from '../domain/control-plane.ts';
import { NotFoundError, RestoreRefusedError } from '../domain/errors.ts';
import {
  restorePlanSchema,
  type PlannedRestore,
  type RestorePlan,
  type RestoreRequest,
  type StartRequest,
} from '../domain/restore.ts';
import type { ClusterRunPorts } from '../operations/ports.ts';
import { platforms } from '../platforms/registry.ts';
import { abandonRestore } from './abandon.ts';
import { refuseBreached } from './breach.ts';
import { choosePoint } from './choose-point.ts';
import { openPlan } from './open-restore.ts';
import { checkIdentity, refuseUnfitPoint, warningsOf } from './preflight.ts';
import { findRestorePlan, isAbandoned, isFenceBegun, stageOf } from './records.ts';
import { warningsOfRights } from './rights.ts';
import { strategies, strategyFor } from './strategies/registry.ts';

/** A plan that nothing was done for is good for so long; later the control plane may have become another. */
const PLAN_MILLISECONDS = 60 * 60 * 1000;

/**
 * Plans a restore once, and gives what the next steps refer to; or closes one that is to be abandoned. A restore that was planned
 * before goes on only if it is what is asked for and nobody can have written since its fence. It touches nothing:
 * RestoreRefusedError, CorruptSnapshotError or IdentityIncompleteError when the restore may not be.
 */
export async function planRestore(request: StartRequest, ports: ClusterRunPorts): Promise<PlannedRestore> {
  if ('abandon' in request) return await abandonRestore(request.abandon, ports);
  const { operation } = request;
  const known = await findRestorePlan(operation, ports);
  if (known !== undefined) await refuseToGoOn(known.document, request, ports);
  else await ports.journal.record(operation, 'plan', restorePlanSchema, await makePlan(request, ports));
  // As it lies there: another delivery may have been faster.
  const planned = known ?? (await findRestorePlan(operation, ports));
  if (planned === undefined) throw new NotFoundError(`restore ${operation} has no plan`);
  const { controlPlane, platform, point } = planned.document;
  const stage = await stageOf(operation, ports);
  return { operation, controlPlane, platform, point, planSha256: planned.sha256, way: 'forward', stage };
}

/** RestoreRefusedError for an operation that is another restore, has ended, is too old, or may overwrite what was written since. */
async function refuseToGoOn(plan: RestorePlan, request: RestoreRequest, ports: ClusterRunPorts): Promise<void> {
  const { operation, controlPlane, point, plannedAt } = plan;
  const isSame =
    request.controlPlane === controlPlane && (request.point === point || request.point === plan.request?.point);
  const remedy = 'Begin a new restore, under another name or none.';
  if (!isSame) {
    throw new RestoreRefusedError(
      `operation ${operation} is the restore of ${controlPlane} to ${point}, and not of ${request.controlPlane} to ${request.point}`,
      { remedy },
    );
  }
  if (await ports.journal.has(operation, 'result')) {
    throw new RestoreRefusedError(`restore ${operation} of ${controlPlane} has ended`, {
      remedy: `"lifeboat operation ${operation}" shows how. ${remedy}`,
    });
  }
  if (await isAbandoned(operation, ports)) {
    throw new RestoreRefusedError(`restore ${operation} of ${controlPlane} was abandoned, and that has not ended`, {
      remedy: `"lifeboat abandon ${operation}" goes on with it. ${remedy}`,
    });
  }
  if (await isFenceBegun(operation, ports)) {
    await refuseBreached(await openPlan(plan, ports), ports);
  } else if (ports.clock().getTime() > Date.parse(plannedAt) + PLAN_MILLISECONDS) {
    throw new RestoreRefusedError(
      `restore ${operation} of ${controlPlane} was planned at ${plannedAt} and never begun: the plan is too old`,
      { remedy: `"lifeboat abandon ${operation}" removes what it prepared. ${remedy}` },
    );
  }
}

/** The plan of a restore as things stand now; nothing is written anywhere. Errors as of {@link planRestore}. */
export async function makePlan(request: RestoreRequest, ports: ClusterRunPorts): Promise<RestorePlan> {
  const name = parseControlPlaneName(request.controlPlane);
  const cluster = await ports.connect(name.managementCluster);
  const point = await choosePoint(name, request.point, ports);
  const platform = platforms[point.manifest.platform];
  const target = await platform.restoreTarget(cluster.api, name);
  refuseUnfitPoint(point, target, request.acceptOtherUid === true);
  const { lost, changed } = await checkIdentity(point, { name, platform, api: cluster.api, target }, ports);
  // The gate at the end asks it with this kubeconfig.
  await platform.apiServers.reach(cluster.api, name);
  const strategy = strategyFor(point.manifest);
  const planned = await strategies[strategy].plan({ request, name, point, platform, cluster, target }, ports);
  const rights = await warningsOfRights({ platform, name, api: cluster.api }, { signal: ports.signal });
  return {
    kind: 'restore',
    operation: request.operation,
    request,
    controlPlane: formatControlPlaneName(name),
    platform: platform.name,
    point: point.address.id,
    plannedAt: ports.clock().toISOString(),
    pointTakenAt: point.manifest.takenAt,
    strategy,
    target,
    lostIdentity: [...lost],
    ...planned,
    warnings: [...target.warnings, ...warningsOf(point, target, changed), ...planned.warnings, ...rights],
  };
}
