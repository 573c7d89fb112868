import type { KeyspaceHash } from '../../../domain/snapshot-facts.ts';
import { Bitmap } from './bitmap.ts';
import { INITIAL_REGISTER, updateRegister } from './crc32c.ts';
import { KeyIndex } from './key-index.ts';
import { KeyValueRanges } from './key-value-ranges.ts';
import { hashRuns } from './keyspace-hash.ts';
import { isTombstone, mainRevision } from './revision-key.ts';
import type { TreePage } from './tree-page.ts';
import { Uint32Column } from './uint32-column.ts';

/** No entry at or below the compact revision holds the key's newest value there. */
const NOWHERE = 0xffffffff;
const LIVE = 1;
const CHANGED_LATER = 2;

/** Where the parts of the entry added last are, in the view of its page. */
export class ScannedEntry extends KeyValueRanges {
  /** The key's number, from 0 in order of first sight. */
  key = 0;
}

/**
 * One pass over the `key` bucket in order: which keys live at a revision, and HashKV there.
 *
 * HashKV leaves out entries at or below the compact revision that a later entry of their key replaces, which is only
 * known at the end. So the pass runs one CRC over everything and notes the register after each such entry (8 bytes an
 * entry); afterwards the wanted runs are cut out of it without reading again. A million live keys take about 50 MB.
 */
export class KeyspaceScan {
  readonly entry = new ScannedEntry();
  /** Main revision of the last entry, 0 before the first. */
  lastRevision = 0;
  /** CRC over every entry so far. */
  register = INITIAL_REGISTER;
  readonly #compactRevision: number;
  readonly #revision: number;
  #startRegister = INITIAL_REGISTER;
  readonly #keys = new KeyIndex();
  readonly #states = new Uint32Column();
  /** For each key the last entry at or below the compact revision that is no tombstone, or NOWHERE. */
  readonly #newestCompacted = new Uint32Column();
  readonly #registers = new Uint32Column();
  readonly #lengths = new Uint32Column();
  #laterBytes = 0;
  #laterRegister = INITIAL_REGISTER;

  /** `revision` is the newest that counts for liveness and HashKV; entries after it are only summed up. */
  constructor(compactRevision: number, revision = Infinity) {
    this.#compactRevision = compactRevision;
    this.#revision = revision;
  }

  /** Lets the CRC continue a register, before the first entry. */
  begin(register: number): void {
    this.register = register;
    this.#startRegister = register;
  }

  /** Adds the entry `index` of a leaf. True when it set a key's value, whose place `entry` then tells. */
  add(leaf: TreePage, index: number): boolean {
    const { view } = leaf;
    const start = leaf.keyStart(index);
    const revisionEnd = leaf.keyEnd(index);
    const end = leaf.valueEnd(index);
    this.entry.locate(leaf, index);
    const main = mainRevision(view, start, revisionEnd);
    const deletes = isTombstone(view, start, revisionEnd);
    this.lastRevision = main;
    this.register = updateRegister(this.register, view, start, end);
    if (main > this.#revision) return false;
    const key = this.#keys.numberOf(view, this.entry.keyStart, this.entry.keyEnd);
    this.entry.key = key;
    if (key === this.#states.length) {
      this.#states.push(0);
      this.#newestCompacted.push(NOWHERE);
    }
    if (main > this.#compactRevision) {
      this.#states.set(key, deletes ? CHANGED_LATER : CHANGED_LATER | LIVE);
      this.#laterBytes += end - start;
      this.#laterRegister = this.register;
    } else {
      this.#states.set(key, deletes ? 0 : LIVE);
      this.#newestCompacted.set(key, deletes ? NOWHERE : this.#registers.length);
      this.#registers.push(this.register);
      this.#lengths.push(end - start);
    }
    return !deletes;
  }

  /** Whether the key with this number has a value at the scanned revision. */
  isLive(key: number): boolean {
    return (this.#states.get(key) & LIVE) !== 0;
  }

  /** How many keys were seen, living or not. */
  get keys(): number {
    return this.#keys.size;
  }

  /** HashKV of what was scanned, to be reported for `revision`. */
  hash(revision: number): KeyspaceHash {
    const hash = hashRuns({
      startRegister: this.#startRegister,
      registers: this.#registers,
      lengths: this.#lengths,
      kept: this.#keptEntries(),
      laterBytes: this.#laterBytes,
      laterRegister: this.#laterRegister,
    });
    return { hash, revision, compactRevision: this.#compactRevision };
  }

  /**
   * Entries at or below the compact revision that count: those that still give a living key its value. With no living
   * key at all etcd skips nothing, and what it then has are the entries that its compaction left; never a tombstone, not even
   * one at the compact revision, which older versions delete and newer ones keep but leave out of the hash.
   */
  #keptEntries(): Bitmap {
    const kept = new Bitmap(this.#registers.length);
    const anyLives = this.#someKeyLives();
    for (let key = 0; key < this.keys; key += 1) {
      const entry = this.#newestCompacted.get(key);
      if (entry !== NOWHERE && (!anyLives || this.#states.get(key) === LIVE)) kept.mark(entry);
    }
    return kept;
  }

  #someKeyLives(): boolean {
    for (let key = 0; key < this.keys; key += 1) if (this.isLive(key)) return true;
    return false;
  }
}
