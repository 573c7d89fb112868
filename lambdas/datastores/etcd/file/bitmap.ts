/** A set of small numbers, one bit each: the pages of a file of 8 GiB take 256 KiB. */
export class Bitmap {
  readonly #bits: Uint8Array;
  #marked = 0;

  constructor(size: number) {
    this.#bits = new Uint8Array(Math.ceil(size / 8));
  }

  /** How many numbers were marked. */
  get marked(): number {
    return this.#marked;
  }

  has(index: number): boolean {
    return (this.#byte(index) & (1 << (index & 7))) !== 0;
  }

  /** Marks a number; false when it was marked before. */
  mark(index: number): boolean {
    if (this.has(index)) return false;
    this.#bits[index >>> 3] = this.#byte(index) | (1 << (index & 7));
    this.#marked += 1;
    return true;
  }

  #byte(index: number): number {
    return this.#bits[index >>> 3] ?? 0;
  }
}
