import { createHash } from 'node:crypto';
import { zstdCompressSync } from 'node:zlib';
import type { Access, DatedEntry } from '../datastores/driver.ts';
import { drivers } from '../datastores/registry.ts';
import { formatControlPlaneName, type ControlPlaneName } from '../domain/control-plane.ts';
import { datastoreFile, type Datastore } from '../domain/datastore.ts';
import { ConflictError } from '../domain/errors.ts';
import { formatBytes } from '../domain/format-bytes.ts';
import { describeObject, type KubernetesObject } from '../domain/kubernetes-object.ts';
import type { LockMode } from '../domain/policy.ts';
import { PhaseTimer } from '../domain/progress.ts';
import {
  recoveryPointId,
  recoveryPointPrefix,
  type Manifest,
  type ManifestDatastore,
  type Proof,
  type RecoveryPointAddress,
  type RecoveryPointReason,
} from '../domain/recovery-point.ts';
import type { Platform } from '../platforms/platform.ts';
import { inspectIdentity } from './identity.ts';
import { inspectSnapshot } from './inspect.ts';
import type { PutOptions } from '../store/object-store.ts';
import { snapshotObject } from './layout.ts';
import type { TakePorts } from './ports.ts';
import { reachControlPlane } from './reach.ts';

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
 * compared with the live datastore, then the manifest. On any failure what was written is removed again as far as our permissions
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
          reachControlPlane(controlPlane, platform, ports.cluster, ports.signal),
          ports.cluster.api.version(),
          ports.catalogue.newest(controlPlane),
        ]),
      ([{ version, datastores }]) =>
        `${platform.name} ${version ?? ''} with ${datastores.map((datastore) => drivers[datastore.kind].describe(datastore)).join(', ')}`,
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
    const datastores: ManifestDatastore[] = [];
    const proofs: Proof[] = [];
    for (const datastore of described.datastores) {
      const taken = await takeDatastore(datastore, described.access, address, written, once, timer, ports);
      const now = { entry: taken.entry, controlPlaneUid: described.uid, takenAt };
      const before = previous && datedEntry(previous.manifest, datastore);
      datastores.push({ ...taken.entry, writesPerSecond: drivers[datastore.kind].writeRate(now, before) });
      proofs.push(...taken.proofs);
    }
    const manifest: Manifest = {
      manifestVersion: 2,
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

async function takeDatastore(
  datastore: Datastore,
  access: Access,
  address: RecoveryPointAddress,
  written: WrittenKeys,
  once: PutOptions,
  timer: PhaseTimer,
  ports: TakePorts,
): Promise<{ entry: ManifestDatastore; proofs: readonly Proof[] }> {
  const driver = drivers[datastore.kind];
  const { name } = datastore;
  const key = `${recoveryPointPrefix(address)}${datastoreFile(datastore)}`;
  const { snapshot, detail } = await timer.run(
    'snapshot',
    `datastore ${name}`,
    () =>
      written.during(key, () =>
        driver.take(datastore, access, {
          ...(ports.watchdogMilliseconds === undefined ? {} : { watchdogMilliseconds: ports.watchdogMilliseconds }),
          beginUpload: (expectedSizeBytes) => ports.store.beginUpload(key, { ...once, expectedSizeBytes }),
          onProgress: (doneBytes, totalBytes) => {
            ports.report({ kind: 'bytes', phase: 'snapshot', doneBytes, totalBytes });
          },
        }),
      ),
    ({ snapshot: { sizeBytes, storedBytes }, source }) =>
      `${formatBytes(sizeBytes)} from ${source}, stored ${formatBytes(storedBytes)}`,
  );
  const takenAt = ports.clock().toISOString();
  const streamProof: Proof = { kind: 'stream', result: 'passed', takenAt, datastore: name, detail };
  const object = snapshotObject(address, snapshot);
  const live = { datastore, access };
  const { entry, proofs } = await inspectSnapshot({ driver, object, snapshot, live }, timer, ports);
  return { entry, proofs: [streamProof, ...proofs] };
}

/** The entry of a datastore in a manifest, with what a rate of writes is measured by. */
function datedEntry(manifest: Manifest, datastore: Datastore): DatedEntry<ManifestDatastore> | undefined {
  const entry = manifest.datastores.find(({ name }) => name === datastore.name);
  return entry && { entry, controlPlaneUid: manifest.controlPlaneUid, takenAt: new Date(manifest.takenAt) };
}
