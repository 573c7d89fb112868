import { randomUUID } from 'node:crypto';
import {
  ConfigurationError,
  ConflictError,
  CorruptSnapshotError,
  LifeboatError,
  NotFoundError,
} from '../domain/errors.ts';
import {
  addressOfManifestKey,
  manifestKey,
  manifestSchema,
  pinKey,
  proofKey,
  proofSchema,
  provenParts,
  recoveryPointPrefix,
  recoveryPointsRoot,
  type Manifest,
  type Proof,
  type RecoveryPointAddress,
} from '../domain/recovery-point.ts';
import {
  formatControlPlaneName,
  PLATFORMS,
  type ControlPlaneName,
  type PlatformName,
} from '../domain/control-plane.ts';
import { inStoreOrder, isFromFuture, verdict, type Verdict } from '../domain/verdict.ts';
import type { ObjectStore, PutOptions, StoredObject } from './object-store.ts';
import { encodeJson, readJson } from './stored-json.ts';

/** A recovery point with everything that is known about it by now. */
export interface CataloguedPoint {
  readonly address: RecoveryPointAddress;
  readonly manifest: Manifest;
  /** When its manifest was written, by the store's own clock. */
  readonly storedAt: Date;
  /** Those of the manifest and those appended since, in the order in which the store got them. */
  readonly proofs: readonly Proof[];
  readonly verdict: Verdict;
  /** Retention does not touch it. */
  readonly pinned: boolean;
}

/** A point whose manifest or proofs can't be read: shown to people, never offered for a restore. */
export interface UnreadablePoint {
  readonly address: RecoveryPointAddress;
  readonly error: LifeboatError;
}

/** What a listing shows of a point. */
interface ListedPoint {
  readonly address: RecoveryPointAddress;
  readonly storedAt: Date;
  readonly proofObjects: StoredObject[];
  pinned: boolean;
}

/** Which recovery points are looked for. */
export interface NewestVerifiedRequest {
  readonly now: Date;
  /** Only those that were taken then or before. */
  readonly upTo?: Date | undefined;
  /** Told of every newer point that would have been taken but for its time, which is in the future. */
  readonly onFuture?: (point: CataloguedPoint) => void;
}

/** Whether a point says that it was taken later than can be. */
export function saysFuture({ manifest, storedAt }: CataloguedPoint, now: Date): boolean {
  return isFromFuture(manifest, storedAt, now);
}

/**
 * The newest verified recovery point, as `--latest-verified`, every listing and every alarm mean it. What a restore put aside is
 * no backup: after one that was taken back, the newest must not be what it was to replace. A point from the future is none
 * either: it would be the newest for as long as its clock was wrong.
 */
export function newestVerified(
  points: readonly (CataloguedPoint | UnreadablePoint)[],
  now: Date,
): CataloguedPoint | undefined {
  return points
    .filter((point) => 'manifest' in point)
    .filter((point) => isVerifiedBackup(point) && !saysFuture(point, now))
    .reduce<CataloguedPoint | undefined>(
      (newest, point) => (newest !== undefined && newest.address.id > point.address.id ? newest : point),
      undefined,
    );
}

function isVerifiedBackup(point: CataloguedPoint): boolean {
  const { manifest, verdict } = point;
  return verdict === 'verified' && manifest.reason !== 'safety' && misplaced(point) === undefined;
}

/** Of which other recovery point the manifest in a point's place is; undefined when it is its own. */
export function misplaced({ address, manifest: { id, controlPlane } }: CataloguedPoint): string | undefined {
  const isItsOwn = id === address.id && controlPlane === formatControlPlaneName(address.controlPlane);
  return isItsOwn ? undefined : `${controlPlane}/${id}`;
}

/** The recovery points in a store, read from the manifests: whatever has no manifest does not exist. */
export class Catalogue {
  readonly #store: ObjectStore;

  constructor(store: ObjectStore) {
    this.#store = store;
  }

  /** All recovery points, or those of one control plane, oldest first within each control plane. */
  async *points(controlPlane?: ControlPlaneName): AsyncGenerator<CataloguedPoint | UnreadablePoint> {
    for await (const listed of this.#listAddresses(controlPlane)) {
      yield await this.#loadOrExplain(listed);
    }
  }

  /**
   * One recovery point by its id; NotFoundError when the store has none, CorruptSnapshotError when it can't be read,
   * ConfigurationError when somebody has moved another one to its place.
   */
  async find(id: string, controlPlane?: ControlPlaneName): Promise<CataloguedPoint> {
    for await (const listed of this.#listAddresses(controlPlane)) {
      if (listed.address.id !== id) continue;
      const point = await this.#load(listed);
      const other = misplaced(point);
      if (other === undefined) return point;
      throw new ConfigurationError(`the manifest at ${manifestKey(point.address)} is that of ${other}`, {
        remedy: 'Somebody moved it; put it back, or use the original.',
      });
    }
    const where = controlPlane === undefined ? '' : ` of ${formatControlPlaneName(controlPlane)}`;
    throw new NotFoundError(`no recovery point ${id}${where} in ${this.#store.location}`, {
      remedy: 'Run "lifeboat list" to see the recovery points.',
    });
  }

  /** The newest readable recovery point of a control plane; undefined when it has none. */
  async newest(controlPlane: ControlPlaneName): Promise<CataloguedPoint | undefined> {
    let newest: CataloguedPoint | undefined;
    for await (const point of this.points(controlPlane)) {
      if ('manifest' in point && (newest === undefined || point.address.id > newest.address.id)) newest = point;
    }
    return newest;
  }

  /** What {@link newestVerified} gives for the points of a control plane; older ones than that are not read. */
  async newestVerified(
    controlPlane: ControlPlaneName,
    { now, upTo, onFuture }: NewestVerifiedRequest,
  ): Promise<CataloguedPoint | undefined> {
    for await (const point of this.#newestFirst(controlPlane)) {
      if (!isVerifiedBackup(point)) continue;
      if (upTo !== undefined && Date.parse(point.manifest.takenAt) > upTo.getTime()) continue;
      if (!saysFuture(point, now)) return point;
      onFuture?.(point);
    }
    return undefined;
  }

  /** Every control plane that has recovery points, with the id of the newest, from a listing alone. */
  async controlPlanes(): Promise<
    { readonly controlPlane: string; readonly platform: PlatformName; readonly newestId: string }[]
  > {
    const newest = new Map<string, { controlPlane: string; platform: PlatformName; newestId: string }>();
    for await (const { address } of this.#listAddresses(undefined)) {
      const { platform, id } = address;
      const controlPlane = formatControlPlaneName(address.controlPlane);
      const known = newest.get(`${platform} ${controlPlane}`);
      if (known === undefined || known.newestId < id) {
        newest.set(`${platform} ${controlPlane}`, { controlPlane, platform, newestId: id });
      }
    }
    return [...newest.values()];
  }

  /** The newest readable recovery point that a policy has taken of a control plane; older ones are not read. */
  async newestOfPolicy(controlPlane: ControlPlaneName, policy: string): Promise<CataloguedPoint | undefined> {
    for await (const point of this.#newestFirst(controlPlane)) if (point.manifest.policy === policy) return point;
    return undefined;
  }

  /** Makes the point exist. ConflictError when a point of this id exists already. */
  async commit(address: RecoveryPointAddress, manifest: Manifest, options: PutOptions = {}): Promise<void> {
    const body = encodeJson(manifestSchema.parse(manifest));
    await this.#store.put(manifestKey(address), body, { ...options, ifAbsent: true });
  }

  /** Appends what a later check found; whatever else is found in the same millisecond stands beside it. */
  async append(address: RecoveryPointAddress, proof: Proof): Promise<void> {
    const key = proofKey(address, proof, randomUUID().slice(0, 8));
    await this.#store.put(key, encodeJson(proofSchema.parse(proof)), { ifAbsent: true });
  }

  /** Keeps a point from retention, or no longer; no error when it is so already. */
  async pin(address: RecoveryPointAddress, pinned: boolean): Promise<void> {
    if (!pinned) {
      await this.#store.remove(pinKey(address));
      return;
    }
    try {
      // A store in AWS refuses every write below its recovery points that might overwrite something.
      await this.#store.put(pinKey(address), encodeJson({}), { ifAbsent: true });
    } catch (error) {
      if (!(error instanceof ConflictError)) throw error;
    }
  }

  /** Makes a point cease to exist; its data stays until somebody removes it. RetentionLockedError when it is locked. */
  async remove(address: RecoveryPointAddress): Promise<void> {
    await this.#store.remove(manifestKey(address));
  }

  /** Those that can be read. */
  async *#newestFirst(controlPlane: ControlPlaneName): AsyncGenerator<CataloguedPoint> {
    const listed = await Array.fromAsync(this.#listAddresses(controlPlane));
    for (const candidate of listed.sort((x, y) => y.address.id.localeCompare(x.address.id))) {
      const point = await this.#loadOrExplain(candidate);
      if ('manifest' in point) yield point;
    }
  }

  async *#listAddresses(controlPlane: ControlPlaneName | undefined): AsyncGenerator<ListedPoint> {
    const roots =
      controlPlane === undefined
        ? [recoveryPointsRoot()]
        : PLATFORMS.map((platform) => `${recoveryPointsRoot(platform)}${formatControlPlaneName(controlPlane)}/`);
    for (const root of roots) {
      // A listing is in key order, so the proofs of a point follow its manifest directly.
      let current: ListedPoint | undefined;
      for await (const object of this.#store.list(root)) {
        const { key } = object;
        const address = addressOfManifestKey(key);
        if (address !== undefined) {
          if (current !== undefined) yield current;
          current = { address, storedAt: object.modifiedAt, proofObjects: [], pinned: false };
        } else if (current !== undefined && key === pinKey(current.address)) {
          current.pinned = true;
        } else if (current !== undefined && key.startsWith(`${recoveryPointPrefix(current.address)}proofs/`)) {
          current.proofObjects.push(object);
        }
      }
      if (current !== undefined) yield current;
    }
  }

  async #loadOrExplain(listed: ListedPoint): Promise<CataloguedPoint | UnreadablePoint> {
    try {
      return await this.#load(listed);
    } catch (error) {
      if (!(error instanceof CorruptSnapshotError)) throw error;
      return { address: listed.address, error };
    }
  }

  async #load({ address, storedAt, proofObjects, pinned }: ListedPoint): Promise<CataloguedPoint> {
    const manifest = await readJson(this.#store, manifestKey(address), manifestSchema);
    const appended = await Promise.all(
      proofObjects.map(async ({ key, modifiedAt }) => ({
        proof: await readJson(this.#store, key, proofSchema),
        storedAt: modifiedAt,
      })),
    );
    const proofs = inStoreOrder(manifest.proofs, appended);
    return { address, manifest, storedAt, proofs, verdict: verdict(proofs, provenParts(manifest)), pinned };
  }
}
