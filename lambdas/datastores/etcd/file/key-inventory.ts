import type { EncryptionUse, SnapshotFacts } from '../../../domain/snapshot-facts.ts';
import { bytesOf } from './bytes.ts';
import { KeyIndex } from './key-index.ts';
import type { ScannedEntry } from './keyspace-scan.ts';
import { placeOf } from './kubernetes-key.ts';
import { encryptionOf, isMarkedByKubernetes, UNRECOGNISED, type ValueEncryption } from './stored-value.ts';
import { Uint32Column } from './uint32-column.ts';

/** Prefixes that nothing but Kubernetes and OpenShift use; keys below any other one need a value that proves them. */
const KNOWN_PREFIXES = ['/registry', '/kubernetes.io', '/openshift.io'];
/** Where keys are counted that are not of Kubernetes. */
const OTHER = 'other';
/** An etcd that is no Kubernetes store can have any number of paths; those past this many are counted as `other`. */
const MOST_PLACES = 65_536;
const MOST_ENCRYPTIONS = 1024;
const NONE = 0;

interface Place {
  readonly prefix: string;
  readonly resource: string;
}

/** What the living keys of a keyspace are: counts a resource, the prefix, and how values are encrypted at rest. */
export type Inventory = Pick<SnapshotFacts, 'keys' | 'keysByResource' | 'prefix' | 'encryption'>;

/** Collects the inventory from each entry that sets a value; what a key's last such entry says counts. */
export class KeyInventory {
  readonly #index = new KeyIndex();
  /** Place of a key + 1, and encryption of its value + 1; 0 is none. Both by the key's number. */
  readonly #placeOfKey = new Uint32Column();
  readonly #encryptionOfKey = new Uint32Column();
  readonly #places: Place[] = [];
  readonly #prefixes = new Set(KNOWN_PREFIXES);
  readonly #encryptions: ValueEncryption[] = [UNRECOGNISED];
  readonly #encryptionNumbers = new Map<string, number>();

  observe(view: DataView, entry: ScannedEntry): void {
    while (this.#placeOfKey.length <= entry.key) {
      this.#placeOfKey.push(NONE);
      this.#encryptionOfKey.push(NONE);
    }
    if (this.#placeOfKey.get(entry.key) === NONE) this.#placeOfKey.set(entry.key, this.#placeNumber(view, entry));
    this.#encryptionOfKey.set(entry.key, this.#encryptionNumber(view, entry));
    if (!isMarkedByKubernetes(view, entry.valueStart, entry.valueEnd)) return;
    const place = this.#places[this.#placeOfKey.get(entry.key) - 1];
    if (place !== undefined) this.#prefixes.add(place.prefix);
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
      const place = this.#places[number - 1];
      const ofKubernetes = place !== undefined && this.#prefixes.has(place.prefix);
      increase(byResource, ofKubernetes ? place.resource : OTHER, count);
      if (ofKubernetes) increase(byPrefix, place.prefix, count);
    }
    return {
      keys: live,
      keysByResource: Object.fromEntries([...byResource].sort(byName)),
      prefix: [...byPrefix].sort(byCount)[0]?.[0],
      encryption: [...byEncryption].sort(byCount).map(([number, values]) => this.#use(number, values)),
    };
  }

  #placeNumber(view: DataView, entry: ScannedEntry): number {
    const place = placeOf(view, entry.keyStart, entry.keyEnd);
    if (place === undefined) return NONE;
    const number = this.#index.numberOf(view, entry.keyStart, place.end);
    if (number >= MOST_PLACES) return NONE;
    if (number === this.#places.length) {
      const prefix = bytesOf(view, entry.keyStart, place.prefixEnd).toString();
      this.#places.push({ prefix, resource: bytesOf(view, place.prefixEnd + 1, place.end).toString() });
    }
    return number + 1;
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
