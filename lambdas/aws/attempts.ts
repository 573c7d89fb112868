import { setTimeout as delay } from 'node:timers/promises';
import { LifeboatError } from '../domain/errors.ts';
import { awaitAnswer, type Awaited } from '../domain/silence.ts';
import { describeFailure, TIMED_OUT, type AwsFailure } from './aws-failure.ts';

/** Bounds of every request to a service of AWS. */
export interface AwsLimits {
  /** How often a request is made before its failure counts. */
  readonly attempts: number;
  /** Upper bound of the first wait between attempts; doubles with each. */
  readonly firstWaitMilliseconds: number;
  readonly connectMilliseconds: number;
  /** Longest silence on a connection, also in the middle of a body. */
  readonly idleMilliseconds: number;
  /** For one attempt up to the head of its answer. */
  readonly attemptMilliseconds: number;
}

const LONGEST_WAIT_MILLISECONDS = 5_000;

/** What a request is handed to the client with. */
export interface HttpOptions {
  readonly abortSignal: AbortSignal;
}

/** How a request is made. */
interface AttemptOptions<T> {
  /** Who is to answer and to what, for whoever waits: `the store (write s3://bucket/key)`. */
  readonly from: string;
  readonly limits: AwsLimits;
  /** Instead of the limit, for a request that takes longer by its size. */
  readonly attemptMilliseconds?: number;
  /** Gives up, with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /**
   * Last word on a request that failed for good: gives its result after all, or throws. `mayHaveHappened` is said of all
   * attempts together.
   */
  readonly giveUp: (failure: AwsFailure, mayHaveHappened: boolean) => T | Promise<T>;
}

/** What every client is made with, so that attempts and waits are bounded here and nowhere else. */
export function clientSettings({ connectMilliseconds, idleMilliseconds }: AwsLimits) {
  return {
    // Retries are ours: only so is it known whether an earlier attempt may have had its effect.
    maxAttempts: 1,
    requestHandler: { connectionTimeout: connectMilliseconds, socketTimeout: idleMilliseconds },
  };
}

/** Makes one attempt; `awaited` hears of each piece of a long request that has left. */
export type Attempt<T> = (http: HttpOptions, awaited: Awaited) => Promise<T>;

/** Makes one request until it succeeds, fails for good or has failed too often. Our own errors are passed on at once. */
export async function withAttempts<T>(attempt: Attempt<T>, options: AttemptOptions<T>): Promise<T> {
  return await awaitAnswer(options.from, (awaited) => repeat((http) => attempt(http, awaited), options));
}

async function repeat<T>(
  attempt: (http: HttpOptions) => Promise<T>,
  { limits, attemptMilliseconds = limits.attemptMilliseconds, signal, giveUp }: AttemptOptions<T>,
): Promise<T> {
  let mayHaveHappened = false;
  for (let count = 1; ; count += 1) {
    try {
      return await attemptWithin(attemptMilliseconds, signal, attempt);
    } catch (error) {
      signal?.throwIfAborted();
      if (error instanceof LifeboatError) throw error;
      const failure = describeFailure(error);
      mayHaveHappened ||= failure.mayHaveHappened;
      if (!failure.retryable || count >= limits.attempts) return giveUp(failure, mayHaveHappened);
      await pause(count, limits, signal);
    }
  }
}

/** Waits a random time that grows with the count of attempts. */
export async function pause(count: number, limits: AwsLimits, signal?: AbortSignal): Promise<void> {
  const bound = Math.min(LONGEST_WAIT_MILLISECONDS, limits.firstWaitMilliseconds * 2 ** (count - 1));
  await delay(Math.random() * bound, undefined, signal === undefined ? {} : { signal });
}

/** The timer ends with the head of the answer: a body may take as long as whoever reads it. */
async function attemptWithin<T>(
  milliseconds: number,
  signal: AbortSignal | undefined,
  attempt: (http: HttpOptions) => Promise<T>,
): Promise<T> {
  signal?.throwIfAborted();
  const timer = new AbortController();
  const timeout = setTimeout(() => {
    timer.abort();
  }, milliseconds);
  try {
    const abortSignal = signal === undefined ? timer.signal : AbortSignal.any([signal, timer.signal]);
    return await attempt({ abortSignal });
  } catch (error) {
    throw timer.signal.aborted ? Object.assign(new Error('no answer'), { code: TIMED_OUT }) : error;
  } finally {
    clearTimeout(timeout);
  }
}
