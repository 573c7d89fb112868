import { randomNumbers } from '../../suite/random.ts';
import { backUp, DATABASE_BYTES, type FaultStage } from './fault-stage.ts';
import type { Outcome } from '../../suite/aftermath.ts';

/** Phases of a backup in which the API server sends something, in their order. */
const PHASES = ['discover', 'identity', 'snapshot', 'live'] as const;
type Phase = (typeof PHASES)[number];

/** What the API server sends in each phase of a backup that nobody disturbs, in bytes. */
export type Traffic = Readonly<Record<Phase, number>>;

/** Where a connection is cut, and which. */
export interface Cut {
  readonly phase: Phase;
  /** Of what comes in the phase; or, for `every`, of the database. */
  readonly fraction: number;
  /** The one that brings the byte, once; all that are open, once; or every one at that byte of its own, again and again. */
  readonly hits: 'one' | 'all' | 'every';
}

/** What came of a backup with a cut. */
export interface CutRecord {
  readonly outcome: Outcome;
  /** The phases in which something was cut. */
  readonly cutPhases: readonly string[];
  /** Multipart uploads that were begun. */
  readonly uploadsBegun: number;
}

/** Nearly all bytes are those of the snapshot: at uniform places the other phases would hardly ever be met. */
const SHARE_OF_SNAPSHOT = 0.7;
/** The very last bytes may not come, as no two backups are of exactly the same size. */
const LAST_FRACTION = 0.98;

/**
 * Cuts at places that the seed decides, after one so late that an upload has begun for certain, and one that a second try makes
 * good.
 */
export function planCuts(count: number, seed: number): Cut[] {
  const random = randomNumbers(seed);
  const pick = <T>(values: readonly [T, ...T[]]): T => values[Math.floor(random() * values.length)] ?? values[0];
  const others = Array.from({ length: count - 2 }, (): Cut => ({
    phase: random() < SHARE_OF_SNAPSHOT ? 'snapshot' : pick(PHASES),
    fraction: random() * LAST_FRACTION,
    hits: pick(['one', 'all', 'every']),
  }));
  return [
    { phase: 'snapshot', fraction: LAST_FRACTION, hits: 'every' },
    { phase: 'snapshot', fraction: random() * LAST_FRACTION, hits: 'one' },
    ...others,
  ];
}

/** Takes a backup without a cut, checks what it leaves, and gives what the API server sent. */
export async function measureTraffic(stage: FaultStage): Promise<Traffic> {
  const traffic = { discover: 0, identity: 0, snapshot: 0, live: 0 };
  const outcome = await backUp(stage, {
    report: (progress) => {
      if (progress.kind === 'phase-started') stage.api.cutAfter(Infinity, 1);
      if (progress.kind !== 'phase-finished') return;
      const phase = PHASES.find((name) => name === progress.phase);
      if (phase !== undefined) traffic[phase] = stage.api.passedBytes;
    },
  });
  if (outcome.manifest === undefined) throw new Error('a backup that nobody disturbs failed', { cause: outcome.error });
  await stage.aftermath.expectAllOrNothing(outcome);
  return traffic;
}

/** Takes a backup and cuts. */
export async function runCut(stage: FaultStage, { phase, fraction, hits }: Cut, traffic: Traffic): Promise<CutRecord> {
  const { api, s3 } = stage;
  const countUploads = () =>
    s3.requests.filter(({ method, query }) => method === 'POST' && query.has('uploads')).length;
  const uploadsBefore = countUploads();
  const cutPhases: string[] = [];
  let present = '';
  api.onCut = () => cutPhases.push(present);
  if (hits === 'every') api.cutEachAfter(Math.floor(fraction * DATABASE_BYTES));
  else api.cutAfter(Infinity, 1);
  const outcome = await backUp(stage, {
    report: (progress) => {
      if (progress.kind !== 'phase-started') return;
      present = progress.phase;
      if (present === phase && hits !== 'every') api.cutAfter(Math.floor(fraction * traffic[phase]), 1, hits);
    },
  });
  api.cutAfter(Infinity, 1);
  return { outcome, cutPhases, uploadsBegun: countUploads() - uploadsBefore };
}
