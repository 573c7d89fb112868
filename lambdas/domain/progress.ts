import { formatBytes } from './format-bytes.ts';

/** What a long piece of work tells while it runs; whoever listens turns it into lines, bars or metrics. */
export type Progress =
  | { readonly kind: 'phase-started'; readonly phase: string; readonly subject: string }
  | { readonly kind: 'bytes'; readonly phase: string; readonly doneBytes: number; readonly totalBytes: number }
  | { readonly kind: 'phase-finished'; readonly phase: string; readonly milliseconds: number; readonly outcome: string }
  /** What a piece of work waits for, told at every look; whoever listens leaves out what it has told a moment ago. */
  | { readonly kind: 'waiting'; readonly phase: string; readonly text: string }
  /** Nothing comes from something that is waited for, told every second from the fifth on, or it is heard again. */
  | { readonly kind: 'silence'; readonly from: string; readonly seconds: number; readonly isOver: boolean }
  | { readonly kind: 'note'; readonly text: string };

/** One phrase on it, for whoever is told only the last that was heard of a piece of work. */
export function describeProgress(progress: Progress): string {
  switch (progress.kind) {
    case 'phase-started':
      return `${progress.phase}: ${progress.subject}`;
    case 'bytes':
      return `${progress.phase}: ${formatBytes(progress.doneBytes)} of ${formatBytes(progress.totalBytes)}`;
    case 'phase-finished':
      return `what follows on "${progress.phase}"`;
    case 'waiting':
      return `${progress.phase}: ${progress.text}`;
    case 'silence':
      return progress.isOver
        ? `heard again after ${progress.seconds} s: ${progress.from}`
        : `nothing heard for ${progress.seconds} s from ${progress.from}`;
    case 'note':
      return progress.text;
  }
}

export type ReportProgress = (progress: Progress) => void;

/** For how long what is waited for is told but once, unless it changes. */
const SAME_WAITING_MILLISECONDS = 30_000;

type Wait = Progress & { readonly kind: 'waiting' | 'silence' };

/**
 * Says of each thing that is waited for, and of each silence, whether it is to be told: when it changes, and every 30 s. `now` is
 * a monotonic clock.
 */
export function waitingFilter(now: () => number): (progress: Wait) => boolean {
  const told = new Map<Wait['kind'], { readonly text: string; readonly at: number }>();
  return (progress) => {
    const { kind } = progress;
    if (kind === 'silence' && progress.isOver) {
      told.delete(kind);
      return true;
    }
    const text = kind === 'silence' ? progress.from : describeProgress(progress);
    const last = told.get(kind);
    const at = now();
    if (last?.text === text && at - last.at < SAME_WAITING_MILLISECONDS) return false;
    told.set(kind, { text, at });
    return true;
  };
}

/** Runs the phases of one piece of work one after the other, reports each and keeps how long it took. */
export class PhaseTimer {
  readonly #milliseconds = new Map<string, number>();
  readonly #report: ReportProgress;
  readonly #now: () => number;

  /** `now` is a monotonic clock in milliseconds. */
  constructor(report: ReportProgress, now: () => number) {
    this.#report = report;
    this.#now = now;
  }

  /** Runs a phase; time of a phase that runs again, for another datastore, is added up. */
  async run<T>(phase: string, subject: string, work: () => Promise<T>, outcome: (result: T) => string): Promise<T> {
    this.#report({ kind: 'phase-started', phase, subject });
    const startedAt = this.#now();
    const result = await work();
    const milliseconds = Math.round(this.#now() - startedAt);
    this.#milliseconds.set(phase, (this.#milliseconds.get(phase) ?? 0) + milliseconds);
    this.#report({ kind: 'phase-finished', phase, milliseconds, outcome: outcome(result) });
    return result;
  }

  /** Every phase so far in the order of its first run. */
  get phases(): { name: string; milliseconds: number }[] {
    return [...this.#milliseconds].map(([name, milliseconds]) => ({ name, milliseconds }));
  }
}
