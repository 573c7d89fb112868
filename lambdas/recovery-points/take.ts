import { createHash } from 'node:crypto';
import { zstdCompressSync } from 'node:zlib';
import { hashMembers } from '../datastores/etcd/hash-members.ts';
import { takeSnapshot, type TakenSnapshot } from '../datastores/etcd/take-snapshot.ts';
import { formatControlPlaneName, type ControlPlaneName } from '../domain/control-plane.ts';
import { ConflictError } from '../domain/errors.ts';
import { formatBytes } from '../domain/format-bytes.ts';
import type { EtcdWorkload } from '../domain/etcd-workload.ts';
import { describeObject, type KubernetesObject } from '../domain/kubernetes-object.ts';
import type { LockMode } from '../domain/policy.ts';
import { PhaseTimer } from '../domain/progress.ts';
import {
  recoveryPointId,
  recoveryPointPrefix,
  type EtcdEntry,
  type Manifest,
  type Proof,
  type RecoveryPointAddress,
  type RecoveryPointReason,
} from '../domain/recovery-point.ts';
import type { SnapshotFacts } from '../domain/snapshot-facts.ts';
import { writeRate, type RecordedRevision } from '../domain/write-rate.ts';
import type { Platform } from '../platforms/platform.ts';
import { inspectIdentity } from './identity.ts';
import { inspectSnapshot } from './inspect.ts';
import type { PutOptions } from '../store/object-store.ts';
import type { TakePorts } from './ports.ts';

export interface TakeRequest {
  readonly controlPlane: ControlPlaneName;
  readonly platform: Platform;
  readonly reason: RecoveryPointReason;
  readonly policy?: string;
  /** The operation that it is taken for. */
  readonly operation?: string;
  /** Nobody may delete or overwrite anything of it before this time. */
  readonly retainUntil?: Date;
  /** Whether somebody may end that early; governance when left out. */
  readonly lockMode?: LockMode;
  /** Told the id before anything is written under it. */
  readonly onId?: (id: string) => Promise<void>;
}

/**
 * Takes a recovery point: identity, read back from the store, then a snapshot of every datastore, each read back, walked and
 * compared with the live members, then the manifest. On any failure what was written is removed again as far as our permissions
 * allow; without a manifest it was never a recovery point.
 *
 * A `live` proof that is refused does not fail the call: the bytes are what the member served, and the manifest says so.
 */
export async function takeRecoveryPoint(request: TakeRequest, ports: TakePorts): Promise<Manifest> {
  const { controlPlane, platform } = request;
  const takenAt = ports.clock();
  const id = recoveryPointId(takenAt, ports.random);
  await request.onId?.(id);
  const address: RecoveryPointAddress = { platform: platform.name, controlPlane, id };
  const timer = new PhaseTimer(ports.report, ports.now);
  const written = new WrittenKeys();
  const { retainUntil, lockMode } = request;
  const once: PutOptions = { ifAbsent: true, ...(retainUntil && { retainUntil }), ...(lockMode && { lockMode }) };
  try {
    const [described, managementKubernetesVersion, previous] = await timer.run(
      'discover',
      formatControlPlaneName(controlPlane),
      () =>
        Promise.all([
          platform.describe(ports.cluster.api, controlPlane),
          ports.cluster.api.version(),
          ports.catalogue.newest(controlPlane),
        ]),
      ([{ version, datastores }]) =>
        `${platform.name} ${version ?? ''} with ${datastores.map((etcd) => (etcd.members.length === 1 ? '1 etcd member' : `${etcd.members.length} etcd members`)).join(', ')}`,
    );
    const { identity, proof: identityProof } = await timer.run(
      'identity',
      'custom resources, Secrets and ConfigMaps',
      async () => {
        const captured = await platform.captureIdentity(ports.cluster.api, controlPlane);
        const stored = await storeIdentity(captured, address, written, once, ports);
        return { identity: stored, proof: await inspectIdentity(address, stored, ports) };
      },
      ({ proof }) => proof.detail,
    );
    const datastores: EtcdEntry[] = [];
    const proofs: Proof[] = [];
    for (const workload of described.datastores) {
      const taken = await takeDatastore(workload, address, written, once, timer, ports);
      const before = previous && recordedRevision(previous.manifest, workload.datastore);
      const { clusterId } = taken.snapshot;
      const observed = { controlPlaneUid: described.uid, clusterId, revision: taken.facts.revision, takenAt };
      datastores.push(describeDatastore(workload, taken, writeRate(observed, before)));
      proofs.push(...taken.proofs);
    }
    const manifest: Manifest = {
      manifestVersion: 1,
      id,
      controlPlane: formatControlPlaneName(controlPlane),
      controlPlaneUid: described.uid,
      platform: platform.name,
      reason: request.reason,
      policy: request.policy ?? null,
      operation: request.operation ?? null,
      takenAt: takenAt.toISOString(),
      toolVersion: ports.toolVersion,
      managementKubernetesVersion,
      controlPlaneVersion: described.version,
      datastores,
      identity,
      proofs: [...proofs, identityProof],
      phases: timer.phases,
    };
    // When the answer to the manifest's write is lost the point may exist, and nothing of it may be taken away any more.
    written.keep();
    await ports.catalogue.commit(address, manifest, once);
    return manifest;
  } catch (error) {
    // The writer of a locked-down bucket may not delete: what stays has no manifest and is swept with the orphans.
    await Promise.allSettled(written.keys.map((key) => ports.store.remove(key)));
    throw error;
  }
}

/** Keys that we have written or may have written, to be removed when the recovery point comes to nothing. */
class WrittenKeys {
  keys: readonly string[] = [];

  /** Runs the write of a key; one that turns out to be somebody else's, by an id that came twice, is not ours to remove. */
  async during<T>(key: string, write: () => Promise<T>): Promise<T> {
    const before = this.keys;
    this.keys = [...before, key];
    try {
      return await write();
    } catch (error) {
      if (error instanceof ConflictError) this.keys = before;
      throw error;
    }
  }

  keep(): void {
    this.keys = [];
  }
}

async function storeIdentity(
  objects: readonly KubernetesObject[],
  address: RecoveryPointAddress,
  written: WrittenKeys,
  once: PutOptions,
  { store }: TakePorts,
): Promise<Manifest['identity']> {
  const file = 'identity.json.zst';
  const key = `${recoveryPointPrefix(address)}${file}`;
  const content = Buffer.from(JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }));
  const packed = zstdCompressSync(content);
  await written.during(key, () => store.put(key, packed, once));
  return {
    file,
    sizeBytes: content.length,
    storedBytes: packed.length,
    sha256: createHash('sha256').update(content).digest('hex'),
    objects: objects.map(describeObject),
    readBack: true,
  };
}

interface TakenDatastore {
  readonly file: string;
  readonly snapshot: TakenSnapshot;
  readonly facts: SnapshotFacts;
  readonly proofs: readonly Proof[];
}

async function takeDatastore(
  workload: EtcdWorkload,
  address: RecoveryPointAddress,
  written: WrittenKeys,
  once: PutOptions,
  timer: PhaseTimer,
  ports: TakePorts,
): Promise<TakenDatastore> {
  const { datastore } = workload;
  const file = `etcd-${datastore}.db.zst`;
  const key = `${recoveryPointPrefix(address)}${file}`;
  const reach = { cluster: ports.cluster, signal: ports.signal };
  const snapshot = await timer.run(
    'snapshot',
    `datastore ${datastore}`,
    () =>
      written.during(key, () =>
        takeSnapshot(workload, {
          ...reach,
          ...(ports.watchdogMilliseconds === undefined ? {} : { watchdogMilliseconds: ports.watchdogMilliseconds }),
          beginUpload: (expectedSizeBytes) => ports.store.beginUpload(key, { ...once, expectedSizeBytes }),
          onProgress: (doneBytes, totalBytes) => {
            ports.report({ kind: 'bytes', phase: 'snapshot', doneBytes, totalBytes });
          },
        }),
      ),
    ({ sizeBytes, storedBytes, memberPod }) =>
      `${formatBytes(sizeBytes)} from ${memberPod}, stored ${formatBytes(storedBytes)}`,
  );
  const streamProof: Proof = {
    kind: 'stream',
    result: 'passed',
    takenAt: ports.clock().toISOString(),
    datastore,
    detail: `SHA-256 over ${snapshot.sizeBytes} bytes equals etcd's trailer`,
  };
  const { facts, proofs } = await inspectSnapshot(
    { datastore, object: { key, ...snapshot }, askMembers: (revision) => hashMembers(workload, revision, reach) },
    timer,
    ports,
  );
  return { file, snapshot, facts, proofs: [streamProof, ...proofs] };
}

function describeDatastore(
  { datastore }: EtcdWorkload,
  { file, snapshot, facts }: TakenDatastore,
  writesPerSecond: number | null,
): EtcdEntry {
  return {
    name: datastore,
    kind: 'etcd',
    file,
    ...facts,
    ...snapshot,
    clusterVersion: facts.clusterVersion ?? null,
    prefix: facts.prefix ?? null,
    writesPerSecond,
  };
}

function recordedRevision(manifest: Manifest, datastore: string): RecordedRevision | undefined {
  const entry = manifest.datastores.find(({ name }) => name === datastore);
  return entry && { ...entry, controlPlaneUid: manifest.controlPlaneUid, takenAt: new Date(manifest.takenAt) };
}
