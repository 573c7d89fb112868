import type { Access, DatastoreDriver } from '../datastores/driver.ts';
import type { Datastore } from '../domain/datastore.ts';
import { CorruptSnapshotError } from '../domain/errors.ts';
import { formatBytes } from '../domain/format-bytes.ts';
import type { PhaseTimer } from '../domain/progress.ts';
import type { ManifestDatastore, Proof, StoredSnapshot } from '../domain/recovery-point.ts';
import type { RecoveryPointPorts } from './ports.ts';
import { unpack, withSpoolFile, type PackedObject } from './unpack.ts';

export interface InspectRequest {
  readonly driver: DatastoreDriver;
  readonly object: PackedObject;
  /** What its stream has told. */
  readonly snapshot: StoredSnapshot;
  /** What the manifest says, where there is one already. */
  readonly recorded?: ManifestDatastore;
  /** The datastore itself; left out where only the bytes are to be checked. */
  readonly live?: { readonly datastore: Datastore; readonly access: Access };
}

/**
 * Reads a stored snapshot back and takes the proofs that its bytes allow: `structure`, and `live` when the datastore can be
 * asked. CorruptSnapshotError when the bytes are not what they must be, or not what the manifest says.
 */
export async function inspectSnapshot(
  { driver, object, snapshot, recorded, live }: InspectRequest,
  timer: PhaseTimer,
  ports: RecoveryPointPorts,
): Promise<{ entry: ManifestDatastore; proofs: Proof[] }> {
  const { signal, report, store, clock } = ports;
  const { name: datastore } = snapshot;
  const onProgress = (phase: string) => (doneBytes: number, totalBytes: number) => {
    report({ kind: 'bytes', phase, doneBytes, totalBytes });
  };
  return await withSpoolFile(object, async (spool) => {
    await timer.run(
      'read back',
      object.key,
      () => unpack(store, object, spool.writer(), { signal, onProgress: onProgress('read back') }),
      () => `${formatBytes(object.sizeBytes)}, SHA-256 as taken`,
    );
    const { entry, detail } = await timer.run(
      'structure',
      `datastore ${datastore}`,
      () => driver.inspect(spool, snapshot, { signal, onProgress: onProgress('structure') }),
      (inspected) => inspected.detail,
    );
    const differences = recorded === undefined ? [] : driver.differences(recorded, entry);
    if (differences.length > 0) {
      throw new CorruptSnapshotError(`${object.key} is not what its manifest says: ${differences.join('; ')}`);
    }
    const structure: Proof = {
      kind: 'structure',
      result: 'passed',
      takenAt: clock().toISOString(),
      datastore,
      detail,
    };
    if (live === undefined) return { entry, proofs: [structure] };
    const compared = await timer.run(
      'live',
      `datastore ${datastore}`,
      async () => {
        const found = await driver.compare(spool, entry, live.datastore, live.access);
        return { kind: 'live', takenAt: clock().toISOString(), datastore, ...found } as const;
      },
      (proof) => `${proof.result}: ${proof.detail}`,
    );
    return { entry, proofs: [structure, compared] };
  });
}
