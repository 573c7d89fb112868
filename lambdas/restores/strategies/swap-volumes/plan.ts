import { etcdDriver } from '../../../datastores/etcd/driver.ts';
import { readAlarms } from '../../../datastores/etcd/file/alarms.ts';
import { readSnapshotFile } from '../../../datastores/etcd/file/snapshot-file.ts';
import { HELPER_IMAGE, warningsOfHelperImage } from '../../../datastores/etcd/restore/helper-image.ts';
import { helperUser } from '../../../datastores/etcd/restore/helper-pods.ts';
import { lookAtMembers } from '../../../datastores/etcd/restore/look-at-members.ts';
import { revisionBump } from '../../../datastores/etcd/restore/revision-bump.ts';
import { NotFoundError } from '../../../domain/errors.ts';
import { etcdOf, type EtcdInstallation } from '../../../domain/etcd-installation.ts';
import type { EtcdClientTls } from '../../../domain/etcd-workload.ts';
import { PhaseTimer } from '../../../domain/progress.ts';
import type { EtcdEntry } from '../../../domain/recovery-point.ts';
import type { DatastorePlan } from '../../../domain/restore.ts';
import { transfersTooLong } from '../../../domain/transfer-time.ts';
import type { Cluster } from '../../../kube/cluster.ts';
import type { ClusterRunPorts } from '../../../operations/ports.ts';
import { snapshotObject } from '../../../recovery-points/layout.ts';
import { unpack, withSpoolFile } from '../../../recovery-points/unpack.ts';
import type { CataloguedPoint } from '../../../store/catalogue.ts';
import { seenRevisions, type SeenRevisionOf } from '../../seen-revisions.ts';
import type { RestoreSubject, StrategyPlan } from '../strategy.ts';
import { isFull, refuseCorruptAlarm, refuseUnfitTarget, warningsOfDatastore } from './unfit.ts';

/** So many values are compared once the restored datastore serves. */
const SAMPLED_KEYS = 200;
/**
 * Of the API's absence, as `npm run bench:restore` saw it on two busy cores: for the pods' end and start, for each member's turn,
 * and for streaming and proving the safety recovery point.
 */
const AWAY_SECONDS = 11;
const AWAY_SECONDS_A_MEMBER = 3;
const AWAY_BYTES_A_SECOND = 30_000_000;

/** Plans the exchange of the data on the volumes of every member. RestoreRefusedError, CorruptSnapshotError or UnsupportedError. */
export async function planSwap(
  { request, name, point, platform, cluster, target }: RestoreSubject,
  ports: ClusterRunPorts,
): Promise<StrategyPlan> {
  const tls = await platform.datastoreAccess.etcdTls(cluster.api, name);
  const timer = new PhaseTimer(ports.report, ports.now);
  const seen = await seenRevisions(name, ports);
  const datastores: DatastorePlan[] = [];
  const warnings: string[] = [];
  for (const entry of point.manifest.datastores) {
    const installation = installationOf(target.datastores, entry);
    const subject = { point, entry, installation, tls, cluster, seen, operation: request.operation };
    const planned = await planDatastore(subject, timer, ports);
    datastores.push(planned.plan);
    warnings.push(...planned.warnings);
  }
  const { helperImage = HELPER_IMAGE, transfer = 'attach' } = ports.configuration.restore ?? {};
  warnings.push(...transfersTooLong(datastores, transfer, ports.secondsACall), ...warningsOfHelperImage(helperImage));
  const sizeBytes = datastores.reduce((sum, datastore) => sum + datastore.sizeBytes, 0);
  const members = target.datastores.reduce((sum, installation) => sum + installation.members.length, 0);
  const apiAwaySeconds = Math.ceil(AWAY_SECONDS + members * AWAY_SECONDS_A_MEMBER + sizeBytes / AWAY_BYTES_A_SECOND);
  return { datastores, helperImage, apiAwaySeconds, warnings };
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
  const found = member?.status ?? { version: entry.version, sizeBytes: 0, alarms: [] };
  refuseUnfitTarget(point, entry, installation, found);
  const live = member && {
    datastore: { ...etcdOf(installation), members: [{ pod: member.pod, ready: true }] },
    access: { cluster, signal: ports.signal, tls },
  };
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
      // By a client of its own: while the file was read back a tunnel would have been idle, which load balancers cut.
      () => etcdDriver.difference(spool, live, { signal }),
      ({ resources }) => `${resources.length} resources compared`,
    );
    const sample = await etcdDriver.sample(spool, SAMPLED_KEYS, ports.random, { signal });
    const plan: DatastorePlan = {
      datastore: entry.name,
      etcdVersion: found.version,
      outages: [...outages],
      prefix: entry.prefix,
      revision: entry.revision,
      sizeBytes: entry.sizeBytes,
      sha256: entry.sha256,
      clusterToken: operation,
      bump,
      bumpReason: why,
      difference,
      ...(isFull(found) ? { isLiveFull: true } : {}),
      ...(user !== undefined && { helperUser: user }),
      sample,
    };
    const assumed = `no member of datastore ${entry.name} tells its version: etcd ${found.version}, as when the point was taken, is assumed`;
    return {
      plan,
      warnings: [...(member === undefined ? [assumed] : []), ...warningsOfDatastore(entry, found, alarms)],
    };
  });
}
