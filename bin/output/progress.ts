import { formatBytes } from '../../lambdas/domain/format-bytes.ts';
import { describeProgress, waitingFilter, type ReportProgress } from '../../lambdas/domain/progress.ts';
import { formatDuration } from './format.ts';

/** Away from a terminal a line every few seconds: enough to see life in a log, not enough to fill it. */
const LINE_INTERVAL_MILLISECONDS = 3000;
const TERMINAL_INTERVAL_MILLISECONDS = 100;
/** What is waited for is renewed on a terminal with the time that has passed. */
const WAITING_INTERVAL_MILLISECONDS = 1000;
const USUAL_COLUMNS = 80;

/** Where progress is written: standard error, so that standard output carries the result alone. */
export interface ProgressOutput {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  /** Of a terminal. */
  readonly columns?: number;
}

/**
 * Prints a line a phase with the time since the start. Bytes show rate and time left: on a terminal in one line that is
 * rewritten, elsewhere as a line every few seconds. What is waited for, and what is silent, is renewed in one line, elsewhere told
 * when it changes and every 30 s. `now` is a monotonic clock in milliseconds.
 */
export function progressPrinter(output: ProgressOutput, now: () => number): ReportProgress {
  const startedAt = now();
  const onTerminal = output.isTTY === true;
  const interval = onTerminal ? TERMINAL_INTERVAL_MILLISECONDS : LINE_INTERVAL_MILLISECONDS;
  const isToBeTold = waitingFilter(now);
  let renewed = { text: '', at: 0 };
  let transfer: { phase: string; startedAt: number; printedAt: number } | undefined;

  const line = (phase: string, text: string) => {
    const elapsed = `${((now() - startedAt) / 1000).toFixed(1)} s`;
    return `[${elapsed.padStart(8)}] ${phase.padEnd(10)} ${text}`;
  };
  // A line that wraps can't be rewritten.
  const rewrite = (text: string) => output.write(`\r\u001b[2K${text.slice(0, (output.columns ?? USUAL_COLUMNS) - 1)}`);
  const print = (text: string) => output.write(onTerminal ? `\r\u001b[2K${text}\n` : `${text}\n`);

  return (progress) => {
    switch (progress.kind) {
      case 'phase-started':
        transfer = undefined;
        if (onTerminal) output.write(`\r\u001b[2K${line(progress.phase, progress.subject)}`);
        return;
      case 'bytes': {
        transfer ??= { phase: progress.phase, startedAt: now(), printedAt: onTerminal ? 0 : now() };
        if (now() - transfer.printedAt < interval) return;
        transfer.printedAt = now();
        const text = line(progress.phase, describeTransfer(progress, now() - transfer.startedAt));
        output.write(onTerminal ? `\r\u001b[2K${text}` : `${text}\n`);
        return;
      }
      case 'waiting': {
        const text = line(progress.phase, `waiting: ${progress.text}`);
        if (!onTerminal) {
          if (isToBeTold(progress)) output.write(`${text}\n`);
          return;
        }
        if (progress.text === renewed.text && now() - renewed.at < WAITING_INTERVAL_MILLISECONDS) return;
        renewed = { text: progress.text, at: now() };
        rewrite(text);
        return;
      }
      case 'silence': {
        const isWaiting = !progress.isOver;
        const text = line('connection', `${isWaiting ? 'waiting: ' : ''}${describeProgress(progress)}`);
        if (onTerminal && isWaiting) rewrite(text);
        else if (onTerminal || isToBeTold(progress)) print(text);
        return;
      }
      case 'phase-finished':
        print(line(progress.phase, `${progress.outcome} (${formatDuration(progress.milliseconds)})`));
        return;
      case 'note':
        print(line('note', progress.text));
    }
  };
}

function describeTransfer(
  { doneBytes, totalBytes }: { doneBytes: number; totalBytes: number },
  elapsedMilliseconds: number,
): string {
  const rate = doneBytes / Math.max(elapsedMilliseconds, 1);
  const left = rate === 0 ? '' : `, ${formatDuration((totalBytes - doneBytes) / rate)} left`;
  const percent = totalBytes === 0 ? 100 : Math.floor((100 * doneBytes) / totalBytes);
  return `${formatBytes(doneBytes)} of ${formatBytes(totalBytes)} (${percent} %), ${formatBytes(rate * 1000)}/s${left}`;
}
