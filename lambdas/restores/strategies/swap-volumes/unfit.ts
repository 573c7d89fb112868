import { preparationRoomBytes, restoreProgram } from '../../../datastores/etcd/restore/helper-pods.ts';
import type { EtcdAlarm, EtcdStatus } from '../../../datastores/etcd/wire/messages.ts';
import { RestoreRefusedError } from '../../../domain/errors.ts';
import type { EtcdInstallation } from '../../../domain/etcd-installation.ts';
import { formatBytes } from '../../../domain/format-bytes.ts';
import type { EtcdEntry } from '../../../domain/recovery-point.ts';
import { isComparable, isNewerMinor } from '../../../domain/version.ts';
import type { CataloguedPoint } from '../../../store/catalogue.ts';

/** RestoreRefusedError when the datastore could not run on these data, UnsupportedError when its etcd can't restore. */
export function refuseUnfitTarget(
  { address }: CataloguedPoint,
  entry: EtcdEntry,
  { members }: EtcdInstallation,
  live: Pick<EtcdStatus, 'version' | 'sizeBytes'>,
): void {
  // A newer etcd migrates the data of an older one when it starts; the other way round it refuses them.
  if (isNewerMinor(entry.storageVersion, live.version) === true) {
    throw new RestoreRefusedError(
      `datastore ${entry.name} of ${address.id} has the form of etcd ${entry.storageVersion}, and etcd ${live.version} runs`,
      { remedy: 'Upgrade the control plane first, or choose an older recovery point.' },
    );
  }
  // Its own program makes the restored data: one that can't is better told now than while they are prepared.
  restoreProgram(live.version);
  // Until the swap is done the old data, the snapshot and what is made of it lie side by side.
  const neededBytes = live.sizeBytes + preparationRoomBytes(entry.sizeBytes);
  for (const { claim, capacityBytes } of members) {
    if (capacityBytes >= neededBytes) continue;
    throw new RestoreRefusedError(
      `the volume of ${claim} holds ${formatBytes(capacityBytes)}, and the restore needs ${formatBytes(neededBytes)} for a while`,
      { remedy: 'Enlarge the volume, or defragment etcd if much of its file is free.' },
    );
  }
}

/** What a person should know of a datastore before the restore. `alarms` are those that lie in the snapshot. */
export function warningsOfDatastore(
  { name, storageVersion }: EtcdEntry,
  live: Pick<EtcdStatus, 'version' | 'alarms'>,
  alarms: readonly EtcdAlarm[],
): string[] {
  return [
    ...(isComparable(storageVersion, live.version)
      ? []
      : [
          `datastore ${name} has the form of etcd ${storageVersion}, and etcd ${live.version} runs: which of them is newer can not be told, and an older one refuses the data`,
        ]),
    ...(isFull(live)
      ? [
          `the live datastore ${name} has raised the NOSPACE alarm and takes no writes; it will take none after a rollback either`,
        ]
      : []),
    ...(alarms.includes('NOSPACE')
      ? [
          `datastore ${name} had raised the NOSPACE alarm when the recovery point was taken. The restore disarms it; it is rolled back if etcd takes no writes even then, because its file is as large as its quota`,
        ]
      : []),
  ];
}

/** Whether an etcd takes no writes for want of room. */
export function isFull({ alarms }: Pick<EtcdStatus, 'alarms'>): boolean {
  return alarms.some(({ alarm }) => alarm === 'NOSPACE');
}

/** RestoreRefusedError for a snapshot whose etcd would serve nobody, as its last gate would find. */
export function refuseCorruptAlarm(
  { address }: CataloguedPoint,
  { name }: EtcdEntry,
  alarms: readonly EtcdAlarm[],
): void {
  if (!alarms.includes('CORRUPT')) return;
  throw new RestoreRefusedError(
    `datastore ${name} had raised the CORRUPT alarm when ${address.id} was taken: its members did not hold the same data`,
    { remedy: 'Choose an older recovery point: "lifeboat list" shows them.' },
  );
}
