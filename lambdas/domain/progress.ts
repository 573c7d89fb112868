import { formatBytes } from './format-bytes.ts';

/** What a long piece of work tells while it runs; whoever listens turns it into lines, bars or metrics. */
export type Progress =
  | { readonly kind: 'phase-started'; readonly phase: string; readonly subject: string }
  | { readonly kind: 'bytes'; readonly phase: string; readonly doneBytes: number; readonly totalBytes: number }
  | { readonly kind: 'phase-finished'; readonly phase: string; readonly milliseconds: number; readonly outcome: string }
  /** What a piece of work waits for, told at every look; whoever listens leaves out what it has told a moment ago. */
  | { readonly kind: 'waiting'; readonly phase: string; readonly text: string }
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
    case 'note':
      return progress.text;
  }
}

export type ReportProgress = (progress: Progress) => void;

/** For how long what is waited for is told but once, unless it changes. */
const SAME_WAITING_MILLISECONDS = 30_000;

/** Says of each thing that is waited for whether it is to be told: when it changes, and every 30 s. `now` is a monotonic clock. */
export function waitingFilter(now: () => number): (progress: Progress & { readonly kind: 'waiting' }) => boolean {
  let told: { readonly phase: string; readonly text: string; readonly at: number } | undefined;
  return ({ phase, text }) => {
    const at = now();
    if (told?.phase === phase && told.text === text && at - told.at < SAME_WAITING_MILLISECONDS) return false;
    told = { phase, text, at };
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
