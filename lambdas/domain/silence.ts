import { AsyncLocalStorage } from 'node:async_hooks';
import type { ReportProgress } from './progress.ts';

const TICK_MILLISECONDS = 1000;
/** The last of them comes between four and five seconds after something was heard. */
const SILENT_TICKS = 5;

/** Something that is waited for. */
export interface Awaited {
  /** A sign of it has come: bytes have arrived, or have been taken. */
  heard(): void;
  /** It is our turn: until the next `heard` its silence says nothing. */
  rest(): void;
  /** It is not waited for any more. */
  end(): void;
}

export interface SilenceOptions {
  /** Silence of five of them is told, and again with each more. */
  readonly tickMilliseconds?: number;
}

const present = new AsyncLocalStorage<SilenceWatch>();

/**
 * Runs a piece of work; whatever in it, at any depth, waits by {@link startWaiting} or {@link awaitAnswer} and hears nothing is
 * reported: of several the one that is silent for the longest time. It is no port that is handed down, so that no connection can
 * be opened past it.
 */
export function tellSilence<T>(report: ReportProgress, work: () => T, options: SilenceOptions = {}): T {
  return present.run(new SilenceWatch(report, options.tickMilliseconds ?? TICK_MILLISECONDS), work);
}

/** Begins to wait for something; `from` reads on from "nothing heard from". Whoever begins ends it, or rests. */
export function startWaiting(from: string): Awaited {
  return present.getStore()?.begin(from) ?? UNWATCHED;
}

/** Waits for the end of some work, which may hear something of it before. */
export async function awaitAnswer<T>(from: string, work: (awaited: Awaited) => Promise<T>): Promise<T> {
  const awaited = startWaiting(from);
  try {
    const answer = await work(awaited);
    awaited.heard();
    return answer;
  } finally {
    awaited.end();
  }
}

const UNWATCHED: Awaited = { heard: () => undefined, rest: () => undefined, end: () => undefined };

interface Entry {
  readonly from: string;
  ticks: number;
  isResting: boolean;
}

class SilenceWatch {
  readonly #report: ReportProgress;
  readonly #tickMilliseconds: number;
  readonly #entries = new Set<Entry>();
  #told: Entry | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(report: ReportProgress, tickMilliseconds: number) {
    this.#report = report;
    this.#tickMilliseconds = tickMilliseconds;
  }

  begin(from: string): Awaited {
    const entry: Entry = { from, ticks: 0, isResting: false };
    this.#entries.add(entry);
    // It holds no process: what is waited for does.
    this.#timer ??= setInterval(() => {
      this.#tick();
    }, this.#tickMilliseconds).unref();
    return {
      heard: () => {
        this.#hear(entry, false);
      },
      rest: () => {
        this.#hear(entry, true);
      },
      end: () => {
        this.#entries.delete(entry);
        if (this.#told === entry) this.#told = undefined;
      },
    };
  }

  #hear(entry: Entry, isResting: boolean): void {
    const { ticks } = entry;
    entry.ticks = 0;
    entry.isResting = isResting;
    if (this.#told !== entry) return;
    this.#told = undefined;
    if (this.#longestSilent() === undefined) this.#tell(entry.from, ticks, true);
  }

  // Ticks and not a clock: while this process computes or is frozen it hears nothing, and has no ticks either.
  #tick(): void {
    if (this.#entries.size === 0) {
      clearInterval(this.#timer);
      this.#timer = undefined;
      return;
    }
    for (const entry of this.#entries) {
      if (!entry.isResting) entry.ticks += 1;
    }
    const silent = this.#longestSilent();
    if (silent === undefined) return;
    this.#told = silent;
    this.#tell(silent.from, silent.ticks, false);
  }

  #longestSilent(): Entry | undefined {
    let longest: Entry | undefined;
    for (const entry of this.#entries) {
      if (entry.ticks >= Math.max(SILENT_TICKS, (longest?.ticks ?? 0) + 1)) longest = entry;
    }
    return longest;
  }

  #tell(from: string, ticks: number, isOver: boolean): void {
    this.#report({ kind: 'silence', from, seconds: Math.round((ticks * this.#tickMilliseconds) / 1000), isOver });
  }
}
