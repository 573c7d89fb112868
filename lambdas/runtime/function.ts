import { LifeboatError, withRemedy } from '../domain/errors.ts';
import { waitingFilter, type ReportProgress } from '../domain/progress.ts';
import type { Step } from '../step.ts';

/** What is kept of a function's time to undo what was begun: an upload is aborted rather than left behind. */
const UNDO_MILLISECONDS = 10_000;

/** What Lambda tells of an invocation, as far as it is used here. */
export interface LambdaContext {
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
    try {
      const { ports, close } = await openPorts({
        report: progressLog(() => performance.now()),
        signal: AbortSignal.timeout(timeMilliseconds),
        secondsACall: Math.floor(timeMilliseconds / 1000),
      });
      try {
        return await step.run(event, ports);
      } finally {
        close();
      }
    } catch (error) {
      const { name, text, frames } = describe(error);
      console.error({ error: name, text, frames });
      // Lambda reports the stack as well, which would repeat the text.
      throw Object.assign(new Error(shorten(text)), { name, stack: '' });
    }
  };
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
 * waited for is told when it changes, and every 30 s.
 */
export function progressLog(now: () => number): ReportProgress {
  const isToBeTold = waitingFilter(now);
  return (progress) => {
    if (
      progress.kind === 'waiting'
        ? isToBeTold(progress)
        : progress.kind !== 'bytes' && progress.kind !== 'phase-started'
    ) {
      console.info(progress);
    }
  };
}
