import { CorruptSnapshotError, LifeboatError, NotFoundError } from '../domain/errors.ts';
import {
  addressOfManifestKey,
  manifestKey,
  manifestSchema,
  pinKey,
  proofKey,
  proofSchema,
  recoveryPointPrefix,
  recoveryPointsRoot,
  verdict,
  type Manifest,
  type Proof,
  type RecoveryPointAddress,
} from '../domain/recovery-point.ts';
import { formatControlPlaneName, PLATFORMS, type ControlPlaneName } from '../domain/control-plane.ts';
import type { ObjectStore, PutOptions } from './object-store.ts';
import { encodeJson, readJson } from './stored-json.ts';

/** A recovery point with everything that is known about it by now. */
export interface CataloguedPoint {
  readonly address: RecoveryPointAddress;
  readonly manifest: Manifest;
  /** Those of the manifest and those appended since. */
  readonly proofs: readonly Proof[];
  readonly verdict: ReturnType<typeof verdict>;
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
  readonly proofKeys: string[];
  pinned: boolean;
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

  /** One recovery point by its id; NotFoundError when the store has none, CorruptSnapshotError when it can't be read. */
  async find(id: string, controlPlane?: ControlPlaneName): Promise<CataloguedPoint> {
    for await (const listed of this.#listAddresses(controlPlane)) {
      if (listed.address.id === id) return await this.#load(listed);
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

  /**
   * The newest verified recovery point of a control plane among those that `counts` lets in; older ones are not read. A point
   * that can't be read is passed over.
   */
  async newestVerified(
    controlPlane: ControlPlaneName,
    counts: (manifest: Manifest) => boolean = () => true,
  ): Promise<CataloguedPoint | undefined> {
    const listed = await Array.fromAsync(this.#listAddresses(controlPlane));
    for (const candidate of listed.sort((a, b) => b.address.id.localeCompare(a.address.id))) {
      const point = await this.#loadOrExplain(candidate);
      if ('manifest' in point && point.verdict === 'verified' && counts(point.manifest)) return point;
    }
    return undefined;
  }

  /** Makes the point exist. ConflictError when a point of this id exists already. */
  async commit(address: RecoveryPointAddress, manifest: Manifest, options: PutOptions = {}): Promise<void> {
    const body = encodeJson(manifestSchema.parse(manifest));
    await this.#store.put(manifestKey(address), body, { ...options, ifAbsent: true });
  }

  /** Appends what a later check found. ConflictError when the very same proof stands there already. */
  async append(address: RecoveryPointAddress, proof: Proof): Promise<void> {
    await this.#store.put(proofKey(address, proof), encodeJson(proofSchema.parse(proof)), { ifAbsent: true });
  }

  /** Keeps a point from retention, or no longer; no error when it is so already. */
  async pin(address: RecoveryPointAddress, pinned: boolean): Promise<void> {
    if (!pinned) await this.#store.remove(pinKey(address));
    else await this.#store.put(pinKey(address), encodeJson({}));
  }

  /** Makes a point cease to exist; its data stays until somebody removes it. RetentionLockedError when it is locked. */
  async remove(address: RecoveryPointAddress): Promise<void> {
    await this.#store.remove(manifestKey(address));
  }

  async *#listAddresses(controlPlane: ControlPlaneName | undefined): AsyncGenerator<ListedPoint> {
    const roots =
      controlPlane === undefined
        ? [recoveryPointsRoot()]
        : PLATFORMS.map((platform) => `${recoveryPointsRoot(platform)}${formatControlPlaneName(controlPlane)}/`);
    for (const root of roots) {
      // A listing is in key order, so the proofs of a point follow its manifest directly.
      let current: ListedPoint | undefined;
      for await (const { key } of this.#store.list(root)) {
        const address = addressOfManifestKey(key);
        if (address !== undefined) {
          if (current !== undefined) yield current;
          current = { address, proofKeys: [], pinned: false };
        } else if (current !== undefined && key === pinKey(current.address)) {
          current.pinned = true;
        } else if (current !== undefined && key.startsWith(`${recoveryPointPrefix(current.address)}proofs/`)) {
          current.proofKeys.push(key);
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

  async #load({ address, proofKeys, pinned }: ListedPoint): Promise<CataloguedPoint> {
    const manifest = await readJson(this.#store, manifestKey(address), manifestSchema);
    const appended = await Promise.all(proofKeys.map((key) => readJson(this.#store, key, proofSchema)));
    const proofs = [...manifest.proofs, ...appended];
    const datastores = manifest.datastores.map((datastore) => datastore.name);
    return { address, manifest, proofs, verdict: verdict(proofs, datastores), pinned };
  }
}
