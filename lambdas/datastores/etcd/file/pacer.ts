import { setImmediate as nextTurn } from 'node:timers/promises';

/** What a caller of a long reading may give to watch it and to end it. */
export interface ReadingOptions {
  /** Ends the reading soon after it is aborted, with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((doneBytes: number, totalBytes: number) => void) | undefined;
}

/** How much is read between two looks at the event loop: some ten milliseconds' worth. */
const BYTES_A_TURN = 4 * 1024 * 1024;

/** Lets the event loop turn while a file is read synchronously, so that timers, signals and progress lines work. */
export class Pacer {
  readonly #options: ReadingOptions;
  readonly #totalBytes: number;
  #doneBytes = 0;
  #sinceTurn = 0;

  constructor(options: ReadingOptions, totalBytes: number) {
    this.#options = options;
    this.#totalBytes = totalBytes;
  }

  /** Counts bytes as done. True when it is time to `turn`. */
  advance(bytes: number): boolean {
    this.#doneBytes += bytes;
    this.#sinceTurn += bytes;
    return this.#sinceTurn >= BYTES_A_TURN;
  }

  async turn(): Promise<void> {
    this.#sinceTurn = 0;
    this.#options.onProgress?.(this.#doneBytes, this.#totalBytes);
    await nextTurn();
    this.#options.signal?.throwIfAborted();
  }

  /** Reports everything as done, pages that no tree uses included. */
  finish(): void {
    this.#options.onProgress?.(this.#totalBytes, this.#totalBytes);
  }
}
