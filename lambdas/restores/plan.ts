import { readAlarms } from '../datastores/etcd/file/alarms.ts';
import { sampleKeys } from '../datastores/etcd/file/key-sample.ts';
import { readSnapshotFile } from '../datastores/etcd/file/snapshot-file.ts';
import { liveKeys } from '../datastores/etcd/live-keys.ts';
import { withMember } from '../datastores/etcd/reach-member.ts';
import { HELPER_IMAGE, warningsOfHelperImage } from '../datastores/etcd/restore/helper-image.ts';
import { helperUser } from '../datastores/etcd/restore/helper-pods.ts';
import { lookAtMembers } from '../datastores/etcd/restore/look-at-members.ts';
import { revisionBump } from '../datastores/etcd/restore/revision-bump.ts';
import { workloadOf } from '../datastores/etcd/restore/workload.ts';
import { differenceFromLive, differenceFromNothing } from '../datastores/etcd/snapshot-difference.ts';
import { formatControlPlaneName, parseControlPlaneName } from '../domain/control-plane.ts';
import { NotFoundError, RestoreRefusedError } from '../domain/errors.ts';
import type { EtcdInstallation } from '../domain/etcd-installation.ts';
import type { EtcdClientTls } from '../domain/etcd-workload.ts';
import { PhaseTimer } from '../domain/progress.ts';
import type { EtcdEntry } from '../domain/recovery-point.ts';
import {
  restorePlanSchema,
  type DatastorePlan,
  type PlannedRestore,
  type RestorePlan,
  type RestoreRequest,
  type StartRequest,
} from '../domain/restore.ts';
import { transfersTooLong } from '../domain/transfer-time.ts';
import type { Cluster } from '../kube/cluster.ts';
import type { ClusterRunPorts } from '../operations/ports.ts';
import { platforms } from '../platforms/registry.ts';
import { snapshotObject } from '../recovery-points/layout.ts';
import { unpack, withSpoolFile } from '../recovery-points/unpack.ts';
import type { CataloguedPoint } from '../store/catalogue.ts';
import { abandonRestore } from './abandon.ts';
import { refuseBreached } from './breach.ts';
import { choosePoint } from './choose-point.ts';
import { openPlan } from './open-restore.ts';
import {
  checkIdentity,
  isFull,
  refuseCorruptAlarm,
  refuseUnfitPoint,
  refuseUnfitTarget,
  warningsOf,
  warningsOfDatastore,
} from './preflight.ts';
import { findRestorePlan, isAbandoned, isFenceBegun, stageOf } from './records.ts';
import { warningsOfRights } from './rights.ts';
import { seenRevisions, type SeenRevisionOf } from './seen-revisions.ts';

/** So many values are compared once the restored datastore serves. */
const SAMPLED_KEYS = 200;
/**
 * Of the API's absence, as `npm run bench:restore` saw it on two busy cores: for the pods' end and start, for each member's turn,
 * and for streaming and proving the safety recovery point.
 */
const AWAY_SECONDS = 11;
const AWAY_SECONDS_A_MEMBER = 3;
const AWAY_BYTES_A_SECOND = 30_000_000;

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
  const tls = await platform.datastoreAccess.etcdTls(cluster.api, name);
  // The gate at the end asks it with this kubeconfig.
  await platform.apiServers.reach(cluster.api, name);
  const timer = new PhaseTimer(ports.report, ports.now);
  const seen = await seenRevisions(name, ports);
  const datastores: DatastorePlan[] = [];
  const warnings = [...target.warnings, ...warningsOf(point, target, changed)];
  for (const entry of point.manifest.datastores) {
    const installation = installationOf(target.datastores, entry);
    const subject = { point, entry, installation, tls, cluster, seen, operation: request.operation };
    const planned = await planDatastore(subject, timer, ports);
    datastores.push(planned.plan);
    warnings.push(...planned.warnings);
  }
  warnings.push(...(await warningsOfRights({ platform, name, api: cluster.api }, { signal: ports.signal })));
  warnings.push(...transfersTooLong(datastores, ports.configuration.restore?.transfer ?? 'attach', ports.secondsACall));
  const { helperImage = HELPER_IMAGE } = ports.configuration.restore ?? {};
  warnings.push(...warningsOfHelperImage(helperImage));
  const sizeBytes = datastores.reduce((sum, datastore) => sum + datastore.sizeBytes, 0);
  const members = target.datastores.reduce((sum, installation) => sum + installation.members.length, 0);
  return {
    kind: 'restore',
    operation: request.operation,
    request,
    controlPlane: formatControlPlaneName(name),
    platform: platform.name,
    point: point.address.id,
    plannedAt: ports.clock().toISOString(),
    pointTakenAt: point.manifest.takenAt,
    target,
    datastores,
    lostIdentity: [...lost],
    helperImage,
    apiAwaySeconds: Math.ceil(AWAY_SECONDS + members * AWAY_SECONDS_A_MEMBER + sizeBytes / AWAY_BYTES_A_SECOND),
    warnings,
  };
}

function installationOf(installations: readonly EtcdInstallation[], { name }: EtcdEntry): EtcdInstallation {
  const installation = installations.find(({ datastore }) => datastore === name);
  if (installation !== undefined) return installation;
  throw new NotFoundError(`the control plane has no datastore ${name} any more`, {
    remedy: 'It was removed since the recovery point was taken; choose a newer one.',
  });
}

interface PlanSubject {
  readonly operation: string;
  readonly point: CataloguedPoint;
  readonly entry: EtcdEntry;
  readonly installation: EtcdInstallation;
  readonly tls: EtcdClientTls;
  readonly cluster: Cluster;
  readonly seen: readonly SeenRevisionOf[];
}

interface WarnedPlan {
  readonly plan: DatastorePlan;
  readonly warnings: readonly string[];
}

/** Reads the snapshot back, which checks every byte of it, and compares it with the live datastore, if there is one. */
async function planDatastore(
  { operation, point, entry, installation, tls, cluster, seen }: PlanSubject,
  timer: PhaseTimer,
  ports: ClusterRunPorts,
): Promise<WarnedPlan> {
  const { member, outages } = await timer.run(
    'look',
    `members of datastore ${entry.name}`,
    () => lookAtMembers(installation, tls, { cluster, signal: ports.signal }),
    (found) => (found.outages.length === 0 ? 'all of them serve' : found.outages.join('; ')),
  );
  const live = member?.status ?? { version: entry.version, sizeBytes: 0, alarms: [] };
  refuseUnfitTarget(point, entry, installation, live);
  const object = snapshotObject(point.address, entry);
  const { bump, why } = revisionBump({
    snapshotRevision: entry.revision,
    ageSeconds: (ports.clock().getTime() - Date.parse(point.manifest.takenAt)) / 1000,
    liveRevision: member?.status.revision,
    writesPerSecond: entry.writesPerSecond,
    seen: seen.filter(({ datastore }) => datastore === entry.name),
  });
  const { signal } = ports;
  const user = helperUser(installation);
  return await withSpoolFile(object, async (spool) => {
    await timer.run(
      'read back',
      object.key,
      () =>
        unpack(ports.store, object, spool.writer(), {
          signal,
          onProgress: (doneBytes, totalBytes) => {
            ports.report({ kind: 'bytes', phase: 'read back', doneBytes, totalBytes });
          },
        }),
      () => 'every byte as it was taken',
    );
    if (point.verdict !== 'verified') {
      await timer.run(
        'structure',
        `datastore ${entry.name}`,
        () => readSnapshotFile(spool, { signal, trailerVerified: true }),
        ({ keys }) => `every page walked: ${keys} keys`,
      );
    }
    const alarms = await readAlarms(spool);
    refuseCorruptAlarm(point, entry, alarms);
    const difference = await timer.run(
      'compare',
      `datastore ${entry.name} with what is live`,
      () =>
        member === undefined
          ? differenceFromNothing(spool, { signal })
          : // A client of its own: while the file was read back a tunnel would have been idle, which load balancers cut.
            withMember(workloadOf(installation, tls), member.pod, { cluster, signal }, (client) => {
              // Without a leader a member still tells what it has itself.
              const keys = liveKeys(client, { serializable: member.status.leaderId === '0' });
              return differenceFromLive(spool, keys, { signal });
            }),
      ({ resources }) => `${resources.length} resources compared`,
    );
    const sample = await sampleKeys(spool, SAMPLED_KEYS, ports.random, { signal });
    const plan: DatastorePlan = {
      datastore: entry.name,
      etcdVersion: live.version,
      outages: [...outages],
      prefix: entry.prefix,
      revision: entry.revision,
      sizeBytes: entry.sizeBytes,
      sha256: entry.sha256,
      clusterToken: operation,
      bump,
      bumpReason: why,
      difference,
      ...(isFull(live) ? { isLiveFull: true } : {}),
      ...(user !== undefined && { helperUser: user }),
      sample,
    };
    const assumed = `no member of datastore ${entry.name} tells its version: etcd ${live.version}, as when the point was taken, is assumed`;
    return {
      plan,
      warnings: [...(member === undefined ? [assumed] : []), ...warningsOfDatastore(entry, live, alarms)],
    };
  });
}
