import { LifeboatError, OutOfTimeError, withRemedy } from '../domain/errors.ts';
import { describeProgress, waitingFilter, type Progress, type ReportProgress } from '../domain/progress.ts';
import { tellSilence } from '../domain/silence.ts';
import type { Step } from '../step.ts';

/** What is kept of a function's time to undo what was begun: an upload is aborted rather than left behind. */
const UNDO_MILLISECONDS = 10_000;
/** Of that, what is kept to tell of it where the work does not hear of its end: Lambda itself would only say that time is over. */
const TELL_MILLISECONDS = 2_000;

/** What Lambda tells of an invocation, as far as it is used here. */
export interface LambdaContext {
  readonly functionName?: string;
  getRemainingTimeInMillis(): number;
}

/** What an invocation brings for its ports. */
export interface Invocation {
  readonly report: ReportProgress;
  /** Aborted shortly before Lambda would end the function. */
  readonly signal: AbortSignal;
  /** Until then. */
  readonly secondsACall: number;
}

/** Ports that were opened for one invocation. */
export interface OpenPorts<Ports> {
  readonly ports: Ports;
  readonly close: () => void;
}

export type LambdaFunction<Output> = (event: unknown, context: LambdaContext) => Promise<Output>;

/**
 * Makes a Lambda function of a step. An error keeps its name, by which the machine retries or catches it, and says its
 * remedy as well, because name and message are all that Step Functions passes on.
 */
export function lambdaFunction<Input, Output, Ports>(
  step: Step<Input, Output, Ports>,
  openPorts: (invocation: Invocation) => Promise<OpenPorts<Ports>>,
): LambdaFunction<Output> {
  return async (event, context) => {
    const timeMilliseconds = Math.max(0, context.getRemainingTimeInMillis() - UNDO_MILLISECONDS);
    const signal = AbortSignal.timeout(timeMilliseconds);
    let last: Progress | undefined;
    let silence: Progress | undefined;
    const log = progressLog(() => performance.now());
    const report = (progress: Progress) => {
      if (progress.kind !== 'silence') last = progress;
      silence = progress.kind === 'silence' && !progress.isOver ? progress : undefined;
      log(progress);
    };
    try {
      return await tellSilence(report, async () => {
        const secondsACall = Math.floor(timeMilliseconds / 1000);
        const { ports, close } = await openPorts({ report, signal, secondsACall });
        try {
          return await withinTime(step.run(event, ports), signal);
        } finally {
          close();
        }
      });
    } catch (failure) {
      const error = isEndOfTime(failure, signal) ? outOfTime(context, timeMilliseconds, last, silence) : failure;
      const { name, text, frames } = describe(error);
      console.error({ error: name, text, frames });
      // Lambda reports the stack as well, which would repeat the text.
      throw Object.assign(new Error(shorten(text)), { name, stack: '' });
    }
  };
}

/** The work's own end, or soon after the signal the signal's reason: some work hears of it too late. */
async function withinTime<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  let timer: NodeJS.Timeout | undefined;
  const giveUp = () => {
    timer = setTimeout(() => {
      reject(signal.reason as Error);
    }, UNDO_MILLISECONDS - TELL_MILLISECONDS);
  };
  if (signal.aborted) giveUp();
  else signal.addEventListener('abort', giveUp, { once: true });
  try {
    return await Promise.race([work, late]);
  } finally {
    signal.removeEventListener('abort', giveUp);
    clearTimeout(timer);
  }
}

/** Whether it is told because time is over: what was cut then fails with errors of many names. */
function isEndOfTime(error: unknown, signal: AbortSignal): boolean {
  if (!signal.aborted) return false;
  if (error instanceof LifeboatError) return error.kind === 'transient';
  return error === signal.reason || (error instanceof Error && ['AbortError', 'TimeoutError'].includes(error.name));
}

function outOfTime(
  { functionName = 'the function' }: LambdaContext,
  milliseconds: number,
  last: Progress | undefined,
  silence: Progress | undefined,
) {
  const part = last === undefined ? 'before it told of anything' : `at "${describeProgress(last)}"`;
  const why = silence === undefined ? '' : `, with ${describeProgress(silence)}`;
  return new OutOfTimeError(
    `${functionName} ran out of time after ${Math.round(milliseconds / 1000)} s, ${part}${why}`,
    {
      remedy: isTransfer(last)
        ? 'Let the data go to the pods by URL, which takes no time of a function: "restore: { transfer: presigned-url }" in lifeboat.yaml.'
        : 'A function has 15 minutes at the most. If this comes again, look at what that part waits for, or run the same with "lifeboat" on a machine, where no such limit is.',
    },
  );
}

/** Whether data were on their way through the API server. */
function isTransfer(last: Progress | undefined): boolean {
  return last?.kind === 'bytes' && last.phase.startsWith('prepare ');
}

/** Of an error's text as JSON: those of a page are escaped once more and have to fit into one state of 256 KiB. */
const LONGEST_TEXT_BYTES = 2_000;

function describe(error: unknown) {
  if (error instanceof LifeboatError) return { name: error.name, text: withRemedy(error) };
  // The text of an unexpected error could hold anything, a token included; its class and place are enough for a report.
  const { name, stack = '' } = error instanceof Error ? error : new Error('thrown value');
  const frames = stack.split('\n').filter((frame) => frame.startsWith('    at '));
  return { name, text: `unexpected ${name}: this is a defect in Lifeboat. See the function's log.`, frames };
}

function shorten(text: string): string {
  if (Buffer.byteLength(JSON.stringify(text)) <= LONGEST_TEXT_BYTES) return text;
  let short = text.slice(0, LONGEST_TEXT_BYTES);
  while (Buffer.byteLength(JSON.stringify(short)) > LONGEST_TEXT_BYTES) short = short.slice(0, -100);
  return `${short}…`;
}

/**
 * What the log of a step gets. Bytes are left out: a log line a second of every transfer is paid for and read by nobody. What is
 * waited for, or is silent, is told when it changes, and every 30 s.
 */
export function progressLog(now: () => number): ReportProgress {
  const isToBeTold = waitingFilter(now);
  return (progress) => {
    if (
      progress.kind === 'waiting' || progress.kind === 'silence'
        ? isToBeTold(progress)
        : progress.kind !== 'bytes' && progress.kind !== 'phase-started'
    ) {
      console.info(progress);
    }
  };
}
