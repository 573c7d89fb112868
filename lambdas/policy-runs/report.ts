import { z } from 'zod';
import {
  countsSchema,
  outcomeSchema,
  runResultSchema,
  shortReason,
  type Counts,
  type Outcome,
  type PolicyRun,
  type RunResult,
} from '../domain/policy-run.ts';
import { readPlan } from './plan.ts';
import type { RunPorts } from './ports.ts';

const recordedPageSchema = z.strictObject({ outcomes: z.array(outcomeSchema) });

/** Keeps what became of the control planes of a page, and gives only their counts to the machine. */
export async function recordPage(
  { runId, page, outcomes }: { readonly runId: string; readonly page: number; readonly outcomes: readonly Outcome[] },
  { journal }: RunPorts,
): Promise<Counts> {
  const short = outcomes.map((outcome) => ({
    ...outcome,
    reason: outcome.reason === null ? null : shortReason(readReason(outcome.reason)),
  }));
  return count((await journal.record(runId, pageName(page), recordedPageSchema, { outcomes: short })).outcomes);
}

/** Puts the pages together, keeps the result of the run, and announces it. */
export async function reportRun(run: PolicyRun, { journal, events, clock }: RunPorts): Promise<RunResult> {
  const { pages, unreachable } = await readPlan(run.runId, journal);
  const outcomes: Outcome[] = [];
  for (let page = 0; page < pages; page += 1) {
    const recorded = await journal.read(run.runId, pageName(page), recordedPageSchema);
    outcomes.push(...(recorded?.outcomes ?? []));
  }
  const counts = count(outcomes);
  const failures = counts.failed + unreachable.length;
  const status = failures === 0 ? 'succeeded' : counts.verified === 0 ? 'failed' : 'partial';
  const finishedAt = clock().toISOString();
  const result: RunResult = { ...run, finishedAt, status, counts, unreachable, outcomes };
  return await journal.record(run.runId, 'result', runResultSchema, result);
}

function count(outcomes: readonly Outcome[]): Counts {
  const of = (wanted: Outcome['outcome']) => outcomes.filter(({ outcome }) => outcome === wanted).length;
  return { verified: of('verified'), failed: of('failed'), skipped: of('skipped') };
}

function pageName(page: number): string {
  return `steps/record-page/${page}`;
}

/** Lambda's own JSON around an error's text, or the text itself where a machine runs without Lambda. */
function readReason(cause: string): string {
  const wrapped = /^\s*\{/.test(cause) ? z.object({ errorMessage: z.string() }).safeParse(safeJson(cause)) : undefined;
  return wrapped?.data?.errorMessage ?? cause;
}
