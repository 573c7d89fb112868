import { createWriteStream } from 'node:fs';
import { differenceFromLive } from '../datastores/etcd/snapshot-difference.ts';
import { sampleKeys } from '../datastores/etcd/file/key-sample.ts';
import { readSnapshotFile } from '../datastores/etcd/file/snapshot-file.ts';
import { liveKeys } from '../datastores/etcd/live-keys.ts';
import { connectAnyMember } from '../datastores/etcd/reach-member.ts';
import { workloadOf } from '../datastores/etcd/restore/workload.ts';
import { revisionBump } from '../datastores/etcd/restore/revision-bump.ts';
import type { EtcdClient } from '../datastores/etcd/wire/etcd-client.ts';
import { formatControlPlaneName, parseControlPlaneName } from '../domain/control-plane.ts';
import { NotFoundError } from '../domain/errors.ts';
import type { EtcdInstallation } from '../domain/etcd-installation.ts';
import { PhaseTimer } from '../domain/progress.ts';
import type { EtcdEntry } from '../domain/recovery-point.ts';
import {
  restorePlanSchema,
  type DatastorePlan,
  type Restore,
  type RestorePlan,
  type RestoreRequest,
} from '../domain/restore.ts';
import type { ClusterRunPorts } from '../operations/ports.ts';
import { platforms } from '../platforms/registry.ts';
import { snapshotObject } from '../recovery-points/layout.ts';
import { unpack, withSpoolFile } from '../recovery-points/unpack.ts';
import type { CataloguedPoint } from '../store/catalogue.ts';
import { choosePoint } from './choose-point.ts';
import { refuseUnfitPoint, refuseUnfitTarget, warningsOf } from './preflight.ts';

/** So many values are compared once the restored datastore serves. */
const SAMPLED_KEYS = 200;
/** Of the API's absence: for the pods' end and start, and for streaming the safety recovery point and the first compaction. */
const AWAY_SECONDS = 15;
const AWAY_BYTES_A_SECOND = 50_000_000;

/**
 * Plans a restore once, and gives what the next steps refer to. It touches nothing: RestoreRefusedError, CorruptSnapshotError or
 * IdentityIncompleteError when the restore may not be.
 */
export async function planRestore(request: RestoreRequest, ports: ClusterRunPorts): Promise<Restore> {
  const { journal } = ports;
  const { operation, controlPlane, platform, point } =
    (await journal.read(request.operation, 'plan', restorePlanSchema)) ??
    (await journal.record(request.operation, 'plan', restorePlanSchema, await makePlan(request, ports)));
  return { operation, controlPlane, platform, point };
}

/** The plan of a restore as things stand now; nothing is written anywhere. Errors as of {@link planRestore}. */
export async function makePlan(request: RestoreRequest, ports: ClusterRunPorts): Promise<RestorePlan> {
  const name = parseControlPlaneName(request.controlPlane);
  const cluster = await ports.connect(name.managementCluster);
  const point = await choosePoint(name, request.point, ports.catalogue);
  const platform = platforms[point.manifest.platform];
  const target = await platform.restoreTarget(cluster.api, name);
  refuseUnfitPoint(point, target, request.acceptOtherUid === true);
  const tls = await platform.etcdTls(cluster.api, name);
  const identity = await platform.captureIdentity(cluster.api, name);
  const timer = new PhaseTimer(ports.report, ports.now);
  const datastores: DatastorePlan[] = [];
  const warnings = [...target.warnings, ...(await warningsOf(point, target, identity, ports))];
  for (const entry of point.manifest.datastores) {
    const installation = installationOf(target.datastores, entry);
    const connect = () => connectAnyMember(workloadOf(installation, tls), { cluster, signal: ports.signal });
    datastores.push(await planDatastore(request.operation, point, entry, installation, connect, timer, ports));
  }
  const sizeBytes = datastores.reduce((sum, datastore) => sum + datastore.sizeBytes, 0);
  return {
    kind: 'restore',
    operation: request.operation,
    controlPlane: formatControlPlaneName(name),
    platform: platform.name,
    point: point.address.id,
    plannedAt: ports.clock().toISOString(),
    pointTakenAt: point.manifest.takenAt,
    target,
    datastores,
    apiAwaySeconds: Math.ceil(AWAY_SECONDS + sizeBytes / AWAY_BYTES_A_SECOND),
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

/** Reads the snapshot back, which checks every byte of it, and compares it with the live datastore. */
async function planDatastore(
  operation: string,
  point: CataloguedPoint,
  entry: EtcdEntry,
  installation: EtcdInstallation,
  connect: () => Promise<EtcdClient>,
  timer: PhaseTimer,
  ports: ClusterRunPorts,
): Promise<DatastorePlan> {
  // A client of its own each time: while the file is read back a tunnel would be idle, which load balancers cut.
  const status = await using(connect, (client) => client.status());
  refuseUnfitTarget(point, entry, installation, status);
  const object = snapshotObject(point.address, entry);
  const { bump, why } = revisionBump({
    snapshotRevision: entry.revision,
    ageSeconds: (ports.clock().getTime() - Date.parse(point.manifest.takenAt)) / 1000,
    liveRevision: status.revision,
    writesPerSecond: entry.writesPerSecond,
  });
  const { signal } = ports;
  return await withSpoolFile(object.sizeBytes, async (path) => {
    await timer.run(
      'read back',
      object.key,
      () =>
        unpack(ports.store, object, createWriteStream(path, { flags: 'wx', mode: 0o600 }), {
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
        () => readSnapshotFile(path, { signal, trailerVerified: true }),
        ({ keys }) => `every page walked: ${keys} keys`,
      );
    }
    const difference = await timer.run(
      'compare',
      `datastore ${entry.name} with what is live`,
      () => using(connect, (client) => differenceFromLive(path, liveKeys(client), { signal })),
      ({ resources }) => `${resources.length} resources compared`,
    );
    const sample = await sampleKeys(path, SAMPLED_KEYS, ports.random, { signal });
    return {
      datastore: entry.name,
      etcdVersion: status.version,
      prefix: entry.prefix,
      revision: entry.revision,
      sizeBytes: entry.sizeBytes,
      sha256: entry.sha256,
      clusterToken: operation,
      bump,
      bumpReason: why,
      difference,
      sample,
    };
  });
}

async function using<T>(connect: () => Promise<EtcdClient>, work: (client: EtcdClient) => Promise<T>): Promise<T> {
  const client = await connect();
  try {
    return await work(client);
  } finally {
    await client.close();
  }
}
