import type { BoltFile } from './bolt-file.ts';
import { bucketsOf, readCompactRevision } from './etcd-buckets.ts';
import { KeyIndex } from './key-index.ts';
import { KeyPlaces } from './key-places.ts';
import { KeyValueRanges } from './key-value-ranges.ts';
import { newestRevision, walkKeyspace } from './keyspace-walk.ts';
import type { Pacer } from './pacer.ts';
import { isTombstone, mainRevision } from './revision-key.ts';
import { isMarkedByKubernetes } from './stored-value.ts';
import type { TreePage } from './tree-page.ts';
import { Uint32Column } from './uint32-column.ts';

const HIGH_WORD = 2 ** 32;

/**
 * The living keys of a snapshot file by number, with the revision that wrote them last: fingerprints and not names, so
 * that a million keys take 40 MB. A second walk over the file, `visitLiving`, gives names and values.
 */
export class KeyListing {
  readonly places = new KeyPlaces();
  readonly #index = new KeyIndex();
  /** Both halves of the revision, 0 for a key that was deleted. */
  readonly #high = new Uint32Column();
  readonly #low = new Uint32Column();
  readonly #placeOfKey = new Uint32Column();
  readonly #entry = new KeyValueRanges();
  #living = 0;
  #lastRevision = 0;
  #compactRevision = -1;

  /** Walks the keyspace once. CorruptSnapshotError for what is not as etcd writes it. */
  static async read(file: BoltFile, pacer: Pacer): Promise<KeyListing> {
    const listing = new KeyListing();
    listing.#compactRevision = readCompactRevision(file, bucketsOf(file, file.ledger()));
    await walkKeyspace(file, pacer, (leaf, index) => {
      listing.#add(leaf, index);
    });
    return listing;
  }

  /** Where an etcd restored from the file starts. */
  get revision(): number {
    return newestRevision(this.#lastRevision, this.#compactRevision);
  }

  /** How many keys the file has, living or not; their numbers are below. */
  get keys(): number {
    return this.#low.length;
  }

  /** How many of them have a value. */
  get living(): number {
    return this.#living;
  }

  /** The number of a key; one that the file does not have gets a number too, at or above `keys`. */
  numberOf(view: DataView, start: number, end: number): number {
    return this.#index.numberOf(view, start, end);
  }

  /** The revision that wrote a key last, or 0 when it has no value in the snapshot. */
  modRevision(key: number): number {
    return key < this.keys ? this.#high.get(key) * HIGH_WORD + this.#low.get(key) : 0;
  }

  /** The number of the place of a key of the file. */
  placeOfKey(key: number): number {
    return this.#placeOfKey.get(key);
  }

  /** Walks the keyspace again and visits the entries that give the living keys their values, in order of revisions. */
  async visitLiving(
    file: BoltFile,
    pacer: Pacer,
    visit: (key: number, view: DataView, entry: Readonly<KeyValueRanges>) => void,
  ): Promise<void> {
    const entry = this.#entry;
    await walkKeyspace(file, pacer, (leaf, index) => {
      entry.locate(leaf, index);
      const key = this.numberOf(leaf.view, entry.keyStart, entry.keyEnd);
      const main = mainRevision(leaf.view, leaf.keyStart(index), leaf.keyEnd(index));
      if (this.modRevision(key) === main) visit(key, leaf.view, entry);
    });
  }

  #add(leaf: TreePage, index: number): void {
    const { view } = leaf;
    const entry = this.#entry;
    entry.locate(leaf, index);
    const main = mainRevision(view, leaf.keyStart(index), leaf.keyEnd(index));
    this.#lastRevision = main;
    // A restore that bumps the revision leaves an entry without a name, which no client can ask for.
    if (entry.keyStart === entry.keyEnd) return;
    const key = this.numberOf(view, entry.keyStart, entry.keyEnd);
    if (key === this.keys) {
      this.#high.push(0);
      this.#low.push(0);
      this.#placeOfKey.push(this.places.numberOf(view, entry.keyStart, entry.keyEnd));
    }
    const modRevision = isTombstone(view, leaf.keyStart(index), leaf.keyEnd(index)) ? 0 : main;
    this.#living += Number(modRevision > 0) - Number(this.modRevision(key) > 0);
    this.#high.set(key, Math.floor(modRevision / HIGH_WORD));
    this.#low.set(key, modRevision >>> 0);
    if (isMarkedByKubernetes(view, entry.valueStart, entry.valueEnd)) this.places.prove(this.#placeOfKey.get(key));
  }
}
