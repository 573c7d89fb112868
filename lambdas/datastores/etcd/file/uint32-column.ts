const CHUNK_BITS = 16;
const CHUNK = 1 << CHUNK_BITS;

/** A growing list of unsigned 32-bit numbers that grows by chunks, so that growing neither copies nor doubles memory. */
export class Uint32Column {
  readonly #chunks: Uint32Array[] = [];
  #length = 0;

  get length(): number {
    return this.#length;
  }

  push(value: number): void {
    if (this.#length === this.#chunks.length * CHUNK) this.#chunks.push(new Uint32Array(CHUNK));
    this.#length += 1;
    this.set(this.#length - 1, value);
  }

  get(index: number): number {
    return (this.#chunks[index >>> CHUNK_BITS] as Uint32Array)[index & (CHUNK - 1)] as number;
  }

  set(index: number, value: number): void {
    (this.#chunks[index >>> CHUNK_BITS] as Uint32Array)[index & (CHUNK - 1)] = value;
  }
}
