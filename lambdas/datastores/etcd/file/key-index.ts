import { Uint32Column } from './uint32-column.ts';

const { imul } = Math;
const LANES = 3;
const FIRST_SLOTS = 1 << 12;

/**
 * Gives every distinct byte string a number, counted from 0 in order of first sight. It keeps fingerprints of 96 bits and
 * not the strings: at most 20 bytes a key, whatever the keys' length. The fingerprint is seeded anew for each index, so
 * nobody can prepare keys that collide; among a million keys the chance of a collision is below 10^-16.
 */
export class KeyIndex {
  readonly #seeds = crypto.getRandomValues(new Int32Array(LANES));
  /** Three words a key, side by side because they are looked at together. */
  readonly #fingerprints = new Uint32Column();
  /** Open addressing with linear steps; 0 is vacant, else a key's number + 1. */
  #slots = new Uint32Array(FIRST_SLOTS);
  #a = 0;
  #b = 0;
  #c = 0;

  /** How many distinct strings were seen. */
  get size(): number {
    return this.#fingerprints.length / LANES;
  }

  /** The number of the string between `start` and `end`; a new string gets the next one. */
  numberOf(view: DataView, start: number, end: number): number {
    this.#fingerprint(view, start, end);
    const mask = this.#slots.length - 1;
    for (let slot = this.#a & mask; ; slot = (slot + 1) & mask) {
      const taken = this.#slots[slot] as number;
      if (taken === 0) return this.#insert(slot);
      if (this.#isFingerprintOf(taken - 1)) return taken - 1;
    }
  }

  #isFingerprintOf(key: number): boolean {
    const at = key * LANES;
    return (
      this.#fingerprints.get(at) === this.#a &&
      this.#fingerprints.get(at + 1) === this.#b &&
      this.#fingerprints.get(at + 2) === this.#c
    );
  }

  #insert(slot: number): number {
    const key = this.size;
    this.#fingerprints.push(this.#a);
    this.#fingerprints.push(this.#b);
    this.#fingerprints.push(this.#c);
    this.#slots[slot] = key + 1;
    if (this.size > this.#slots.length / 2) this.#spread();
    return key;
  }

  #spread(): void {
    const slots = new Uint32Array(this.#slots.length * 2);
    const mask = slots.length - 1;
    for (let key = 0; key < this.size; key += 1) {
      let slot = this.#fingerprints.get(key * LANES) & mask;
      while (slots[slot] !== 0) slot = (slot + 1) & mask;
      slots[slot] = key + 1;
    }
    this.#slots = slots;
  }

  /** Three lanes of multiply and rotate over the words of the string, then its last bytes and its length. */
  #fingerprint(view: DataView, start: number, end: number): void {
    let a = this.#seeds[0] as number;
    let b = this.#seeds[1] as number;
    let c = this.#seeds[2] as number;
    let at = start;
    for (; end - at >= 4; at += 4) {
      const word = view.getInt32(at, true);
      a = rotate(imul(a ^ word, 0x85ebca6b), 13);
      b = rotate(imul(b ^ word, 0xc2b2ae35), 17);
      c = rotate(imul(c ^ word, 0x27d4eb2f), 11);
    }
    let tail = 0;
    for (; at < end; at += 1) tail = (tail << 8) | view.getUint8(at);
    const length = end - start;
    this.#a = mix(rotate(imul(a ^ tail, 0x85ebca6b), 13) ^ length);
    this.#b = mix(rotate(imul(b ^ tail, 0xc2b2ae35), 17) ^ length);
    this.#c = mix(rotate(imul(c ^ tail, 0x27d4eb2f), 11) ^ length);
  }
}

function rotate(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits));
}

function mix(word: number): number {
  let mixed = imul(word ^ (word >>> 16), 0x85ebca6b);
  mixed = imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
