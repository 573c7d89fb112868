import { describeProgress } from '../../lambdas/domain/progress.ts';
import { tellSilence } from '../../lambdas/domain/silence.ts';
import { waitFor } from '../testbed/waiting.ts';

/** The silences that are told of some work, with a short patience. */
export class ToldSilences {
  readonly #told: string[] = [];
  readonly #tickMilliseconds: number;

  /** Silence of five ticks is told. */
  constructor(tickMilliseconds = 100) {
    this.#tickMilliseconds = tickMilliseconds;
  }

  /** Runs the work; whatever it opens is watched, also afterwards. */
  during<T>(work: () => T): T {
    const report = (progress: Parameters<typeof describeProgress>[0]) => this.#told.push(describeProgress(progress));
    return tellSilence(report, work, { tickMilliseconds: this.#tickMilliseconds });
  }

  get isEmpty(): boolean {
    return this.#told.length === 0;
  }

  /** Waits until such a silence is told. */
  async ofWhat(from: RegExp): Promise<void> {
    await this.#until(new RegExp(`^nothing heard for \\d+ s from ${from.source}$`));
  }

  /** Waits until it is told that it is over. */
  async overWith(from: RegExp): Promise<void> {
    await this.#until(new RegExp(`^heard again after \\d+ s: ${from.source}$`));
  }

  async #until(text: RegExp): Promise<void> {
    await waitFor(`"${text.source}" to be told`, () => this.#told.some((line) => text.test(line)), {
      timeoutSeconds: 30,
    });
  }
}
