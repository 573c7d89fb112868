import type { EncryptionUse, SnapshotFacts } from '../../../domain/snapshot-facts.ts';
import { KeyPlaces, NO_PLACE } from './key-places.ts';
import type { ScannedEntry } from './keyspace-scan.ts';
import { encryptionOf, isMarkedByKubernetes, UNRECOGNISED, type ValueEncryption } from './stored-value.ts';
import { Uint32Column } from './uint32-column.ts';

/** Where keys are counted that are not of Kubernetes. */
const OTHER = 'other';
const MOST_ENCRYPTIONS = 1024;
const NONE = 0;

/** What the living keys of a keyspace are: counts a resource, the prefix, and how values are encrypted at rest. */
export type Inventory = Pick<SnapshotFacts, 'keys' | 'keysByResource' | 'prefix' | 'encryption'>;

/** Collects the inventory from each entry that sets a value; what a key's last such entry says counts. */
export class KeyInventory {
  readonly #places = new KeyPlaces();
  /** Place of a key, and encryption of its value + 1; 0 is none. Both by the key's number. */
  readonly #placeOfKey = new Uint32Column();
  readonly #encryptionOfKey = new Uint32Column();
  readonly #encryptions: ValueEncryption[] = [UNRECOGNISED];
  readonly #encryptionNumbers = new Map<string, number>();

  observe(view: DataView, entry: ScannedEntry): void {
    while (this.#placeOfKey.length <= entry.key) {
      this.#placeOfKey.push(NO_PLACE);
      this.#encryptionOfKey.push(NONE);
    }
    if (this.#placeOfKey.get(entry.key) === NO_PLACE) {
      this.#placeOfKey.set(entry.key, this.#places.numberOf(view, entry.keyStart, entry.keyEnd));
    }
    this.#encryptionOfKey.set(entry.key, this.#encryptionNumber(view, entry));
    if (isMarkedByKubernetes(view, entry.valueStart, entry.valueEnd)) {
      this.#places.prove(this.#placeOfKey.get(entry.key));
    }
  }

  /** Counts over the keys for which `isLive` says true, of the `keys` that there were. */
  summarise(keys: number, isLive: (key: number) => boolean): Inventory {
    const byPlace = new Map<number, number>();
    const byEncryption = new Map<number, number>();
    let live = 0;
    for (let key = 0; key < keys; key += 1) {
      if (!isLive(key)) continue;
      live += 1;
      increase(byPlace, this.#placeOfKey.get(key));
      increase(byEncryption, this.#encryptionOfKey.get(key));
    }
    byEncryption.delete(NONE);
    const byResource = new Map<string, number>();
    const byPrefix = new Map<string, number>();
    for (const [number, count] of byPlace) {
      const place = this.#places.ofKubernetes(number);
      increase(byResource, place?.resource ?? OTHER, count);
      if (place !== undefined) increase(byPrefix, place.prefix, count);
    }
    return {
      keys: live,
      keysByResource: Object.fromEntries([...byResource].sort(byName)),
      prefix: [...byPrefix].sort(byCount)[0]?.[0],
      encryption: [...byEncryption].sort(byCount).map(([number, values]) => this.#use(number, values)),
    };
  }

  #encryptionNumber(view: DataView, entry: ScannedEntry): number {
    const encryption = encryptionOf(view, entry.valueStart, entry.valueEnd);
    if (encryption === undefined) return NONE;
    const name = [encryption.provider, encryption.key, encryption.keyId].join(':');
    const known = this.#encryptionNumbers.get(name);
    if (known !== undefined) return known;
    if (encryption === UNRECOGNISED || this.#encryptions.length === MOST_ENCRYPTIONS) return 1;
    const number = this.#encryptions.push(encryption);
    this.#encryptionNumbers.set(name, number);
    return number;
  }

  #use(number: number, values: number): EncryptionUse {
    return { ...(this.#encryptions[number - 1] ?? UNRECOGNISED), values };
  }
}

function increase<Key>(counts: Map<Key, number>, key: Key, by = 1): void {
  counts.set(key, (counts.get(key) ?? 0) + by);
}

function byName(left: readonly [string, number], right: readonly [string, number]): number {
  return left[0] < right[0] ? -1 : 1;
}

function byCount(left: readonly [unknown, number], right: readonly [unknown, number]): number {
  return right[1] - left[1];
}
