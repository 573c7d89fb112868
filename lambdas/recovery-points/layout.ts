import { recoveryPointPrefix, type Manifest, type StoredSnapshot } from '../domain/recovery-point.ts';
import type { RecoveryPointAddress } from '../domain/recovery-point.ts';
import type { PackedObject } from './unpack.ts';

/** The snapshot of one datastore as it lies in the store. */
export function snapshotObject(address: RecoveryPointAddress, datastore: StoredSnapshot): PackedObject {
  const { file, sizeBytes, sha256 } = datastore;
  return { key: `${recoveryPointPrefix(address)}${file}`, sizeBytes, sha256 };
}

/** The identity of a recovery point as it lies in the store. */
export function identityObject(address: RecoveryPointAddress, { identity }: Pick<Manifest, 'identity'>): PackedObject {
  const { file, sizeBytes, sha256 } = identity;
  return { key: `${recoveryPointPrefix(address)}${file}`, sizeBytes, sha256 };
}
