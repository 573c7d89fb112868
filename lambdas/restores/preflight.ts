import { isDeepStrictEqual } from 'node:util';
import { formatControlPlaneName, type ControlPlaneName } from '../domain/control-plane.ts';
import { CorruptSnapshotError, IdentityIncompleteError, RestoreRefusedError } from '../domain/errors.ts';
import { describeObject, type KubernetesObject } from '../domain/kubernetes-object.ts';
import type { RestoreTarget } from '../domain/restore-target.ts';
import { isComparable, isNewerMinor } from '../domain/version.ts';
import type { KubeApi } from '../kube/kube-api.ts';
import type { Platform } from '../platforms/platform.ts';
import { readIdentity } from '../recovery-points/identity.ts';
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
  if (
    controlPlaneVersion !== null &&
    target.version !== null &&
    isNewerMinor(controlPlaneVersion, target.version) === true
  ) {
    throw new RestoreRefusedError(
      `recovery point ${address.id} is of version ${controlPlaneVersion}, and the control plane runs ${target.version}: it might not understand newer data`,
      { remedy: `Upgrade the control plane to ${controlPlaneVersion} first, or choose an older recovery point.` },
    );
  }
}

/** What the check of the identity needs to know of the control plane as it is. */
interface PresentControlPlane {
  readonly name: ControlPlaneName;
  readonly platform: Platform;
  readonly api: KubeApi;
  readonly target: RestoreTarget;
}

/** How the objects that the data rely on differ from those of the recovery point. */
export interface IdentityCheck {
  /** Secrets and ConfigMaps that are gone, as `<kind> <namespace>/<name>`: they can be made again. */
  readonly lost: readonly string[];
  /** Secrets whose contents are others. */
  readonly changed: readonly string[];
}

/**
 * Compares the Secrets and ConfigMaps of the recovery point with those that are there. RestoreRefusedError when the data could
 * not be read with the keys that are there, or the pods not be started again; IdentityIncompleteError for what is missing and
 * not in the recovery point either.
 */
export async function checkIdentity(
  point: CataloguedPoint,
  { name, platform, api, target }: PresentControlPlane,
  { store }: Pick<RecoveryPointPorts, 'store'>,
): Promise<IdentityCheck> {
  const identity = await readIdentity(point, store);
  const compared = await Promise.all(
    identity.filter(isMadeAgain).map(async (object) => {
      const { apiVersion, kind, metadata } = object;
      const found = await api.get({ ...metadata, apiVersion, kind });
      const isChanged = kind === 'Secret' && !isDeepStrictEqual(object['data'], found?.['data']);
      return { description: describeObject(object), isLost: found === undefined, isChanged };
    }),
  );
  const lost = compared.filter(({ isLost }) => isLost).map(({ description }) => description);
  const changed = compared
    .filter(({ isLost, isChanged }) => isChanged && !isLost)
    .map(({ description }) => description);
  refuseOtherKeys(point, platform.encryptionKeysOf(identity), changed);
  refuseLacking(point, target.lacking, lost);
  const { missing } = await platform.findIdentity(api, name);
  const nowhere = missing.filter(({ object }) => !lost.includes(object));
  if (nowhere.length === 0) return { lost, changed };
  throw new IdentityIncompleteError(
    `${formatControlPlaneName(name)} refers to what is neither there nor in ${point.address.id}: ${nowhere.map(({ object, why }) => `${object} (${why})`).join('; ')}`,
    { remedy: 'Create the objects or remove the references to them, then restore.' },
  );
}

/** Whether an object of an identity is created again when it is gone; all others are their platform's. */
function isMadeAgain({ kind }: KubernetesObject): boolean {
  return kind === 'Secret' || kind === 'ConfigMap';
}

function refuseOtherKeys(
  { address, manifest }: CataloguedPoint,
  keys: readonly string[],
  changed: readonly string[],
): void {
  const others = keys.filter((key) => changed.includes(key));
  if (others.length === 0 || manifest.datastores.every(({ encryption }) => encryption.length === 0)) return;
  throw new RestoreRefusedError(
    `${others.join(', ')} has another key than when ${address.id} was taken, and values in it are encrypted with that one`,
    {
      remedy:
        'Put the key of the recovery point back and let the platform take it up, or choose a recovery point that was taken after the change.',
    },
  );
}

function refuseLacking({ address }: CataloguedPoint, lacking: readonly string[], lost: readonly string[]): void {
  const nowhere = lacking.filter((object) => !lost.includes(object));
  if (nowhere.length === 0) return;
  const first = lost.length === 0 ? '' : ` Create ${lost.join(', ')} from the identity of ${address.id} first.`;
  throw new RestoreRefusedError(
    `pods of the control plane need ${nowhere.join(', ')}, which is gone and not in ${address.id}: they could not be started again`,
    { remedy: `The platform makes it again as soon as there is no pause; then restore.${first}` },
  );
}

/** What a person should know before the restore. */
export function warningsOf(
  { manifest, verdict }: CataloguedPoint,
  target: RestoreTarget,
  changed: readonly string[],
): string[] {
  return [
    ...(changed.length === 0
      ? []
      : [
          `these Secrets are others than at the time of the recovery point, and stay as they are: ${changed.join(', ')}`,
        ]),
    ...(manifest.controlPlaneVersion !== null && manifest.controlPlaneVersion !== target.version
      ? [
          `the recovery point is of version ${manifest.controlPlaneVersion}, the control plane runs ${target.version ?? 'an unknown one'}` +
            (isComparable(manifest.controlPlaneVersion, target.version)
              ? ''
              : ': which of them is newer can not be told, and an older one may not understand the data'),
        ]
      : []),
    ...(verdict === 'verified' ? [] : ['the recovery point was not verified before; it was now']),
  ];
}
