import { isDeepStrictEqual } from 'node:util';
import { preparationRoomBytes } from '../datastores/etcd/restore/helper-pods.ts';
import type { EtcdStatus } from '../datastores/etcd/wire/messages.ts';
import { CorruptSnapshotError, RestoreRefusedError } from '../domain/errors.ts';
import type { EtcdInstallation } from '../domain/etcd-installation.ts';
import { formatBytes } from '../domain/format-bytes.ts';
import type { KubernetesObject } from '../domain/kubernetes-object.ts';
import type { EtcdEntry } from '../domain/recovery-point.ts';
import type { RestoreTarget } from '../domain/restore-target.ts';
import { identityName, readIdentity } from '../recovery-points/identity.ts';
import type { RecoveryPointPorts } from '../recovery-points/ports.ts';
import type { CataloguedPoint } from '../store/catalogue.ts';

/** RestoreRefusedError or CorruptSnapshotError for a recovery point that must not be restored into this control plane. */
export function refuseUnfitPoint(
  { address, manifest, verdict }: CataloguedPoint,
  target: RestoreTarget,
  acceptOtherUid: boolean,
): void {
  if (verdict === 'refused') {
    throw new CorruptSnapshotError(`a proof of recovery point ${address.id} was refused: its bytes are not right`, {
      remedy: '"lifeboat show" says which proof; "lifeboat list" shows the other points.',
    });
  }
  if (manifest.controlPlaneUid !== target.uid && !acceptOtherUid) {
    throw new RestoreRefusedError(
      `recovery point ${address.id} is of another control plane of this name: its uid was ${manifest.controlPlaneUid}, and now it is ${target.uid}`,
      {
        remedy:
          'It was deleted and made again since. If the old data are wanted in the new one, say --accept-other-uid.',
      },
    );
  }
  const { controlPlaneVersion } = manifest;
  if (controlPlaneVersion !== null && target.version !== null && isNewer(controlPlaneVersion, target.version)) {
    throw new RestoreRefusedError(
      `recovery point ${address.id} is of version ${controlPlaneVersion}, and the control plane runs ${target.version}: it might not understand newer data`,
      { remedy: `Upgrade the control plane to ${controlPlaneVersion} first, or choose an older recovery point.` },
    );
  }
}

/** RestoreRefusedError when the datastore could not run on these data. */
export function refuseUnfitTarget(
  { address }: CataloguedPoint,
  entry: EtcdEntry,
  { members }: EtcdInstallation,
  live: EtcdStatus,
): void {
  // A newer etcd migrates the data of an older one when it starts; the other way round it refuses them.
  if (isNewer(entry.storageVersion, live.version)) {
    throw new RestoreRefusedError(
      `datastore ${entry.name} of ${address.id} has the form of etcd ${entry.storageVersion}, and etcd ${live.version} runs`,
      { remedy: 'Upgrade the control plane first, or choose an older recovery point.' },
    );
  }
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

/**
 * What a person should know before the restore. RestoreRefusedError when Secrets are gone that the data can't be read without.
 */
export async function warningsOf(
  point: CataloguedPoint,
  target: RestoreTarget,
  present: readonly KubernetesObject[],
  ports: Pick<RecoveryPointPorts, 'store'>,
): Promise<string[]> {
  const { manifest } = point;
  const now = new Map(present.map((object) => [identityName(object), object]));
  const secrets = (await readIdentity(point, ports.store)).filter(({ kind }) => kind === 'Secret');
  const missing = secrets.map(identityName).filter((name) => !now.has(name));
  if (missing.length > 0) {
    throw new RestoreRefusedError(
      `the control plane has no ${missing.join(', ')} any more, which the recovery point relies on`,
      {
        remedy: `Put them back from the identity of ${point.address.id}: without them what they encrypted or signed is lost.`,
      },
    );
  }
  const changed = secrets.filter(
    (secret) => !isDeepStrictEqual(secret['data'], now.get(identityName(secret))?.['data']),
  );
  return [
    ...(changed.length === 0
      ? []
      : [`these Secrets are others than at the time of the recovery point: ${changed.map(identityName).join(', ')}`]),
    ...(manifest.controlPlaneVersion !== null && manifest.controlPlaneVersion !== target.version
      ? [
          `the recovery point is of version ${manifest.controlPlaneVersion}, the control plane runs ${target.version ?? 'an unknown one'}`,
        ]
      : []),
    ...(point.verdict === 'verified' ? [] : ['the recovery point was not verified before; it was now']),
  ];
}

/** Whether a version's first two numbers are higher than another's. */
function isNewer(version: string, than: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const [otherMajor = 0, otherMinor = 0] = than.split('.').map(Number);
  return major > otherMajor || (major === otherMajor && minor > otherMinor);
}
