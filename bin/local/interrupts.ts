import process from 'node:process';
import { InterruptedError } from '../output/exit-codes.ts';

/** One Ctrl-C comes twice where npm has started us: from the terminal, and from npm, which passes it on. */
const ECHO_MILLISECONDS = 250;

/**
 * The signals that end a command: Ctrl-C and SIGTERM. Where ending at once would leave a control plane without its API, the first
 * one only says so, and the next one ends.
 */
export class Interrupts {
  readonly #print: (sentence: string) => void;
  readonly #now: () => number;
  #lastAt = -Infinity;
  #ending = new AbortController();
  #sentence: string | undefined;
  #isHeldBack = false;

  constructor(print: (sentence: string) => void, now = () => performance.now()) {
    this.#print = print;
    this.#now = now;
    process.on('SIGINT', this.#interrupt).on('SIGTERM', this.#interrupt);
  }

  /** Aborted by the signal that ends the command. */
  get signal(): AbortSignal {
    return this.#ending.signal;
  }

  /** From now on the first interruption only prints this; said again, it holds back none more. */
  holdBack(sentence: string): void {
    if (this.#isHeldBack) return;
    this.#isHeldBack = true;
    this.#sentence = sentence;
  }

  /** A signal for what is put in order after an interruption: the next one ends that as well. */
  afterwards(): AbortSignal {
    this.#ending = new AbortController();
    this.#sentence = undefined;
    return this.#ending.signal;
  }

  close(): void {
    process.off('SIGINT', this.#interrupt).off('SIGTERM', this.#interrupt);
  }

  readonly #interrupt = (): void => {
    const isEcho = this.#now() - this.#lastAt < ECHO_MILLISECONDS;
    this.#lastAt = this.#now();
    if (isEcho) return;
    const sentence = this.#sentence;
    if (sentence === undefined) {
      if (!this.#ending.signal.aborted) this.#print('Interrupted: ending.');
      this.#ending.abort(new InterruptedError('interrupted'));
    } else {
      this.#sentence = undefined;
      this.#print(sentence);
    }
  };
}
