import { isDeepStrictEqual } from 'node:util';
import * as z from 'zod';
import { NotFoundError } from '../domain/errors.ts';
import {
  afterAnotherAttempt,
  CONTROL_PLANES_A_PAGE,
  lastRunKey,
  lastRunSchema,
  outcomeSchema,
  runResultSchema,
  type runReportSchema,
  shortReason,
  staysNewest,
  type Counts,
  type Outcome,
  type PolicyRun,
  type RunResult,
} from '../domain/policy-run.ts';
import { changeJson } from '../store/stored-json.ts';
import { readReason } from '../operations/reason.ts';
import { readPlan } from './stored-plan.ts';
import type { PublishingRunPorts, RunPorts } from '../operations/ports.ts';

const recordedPageSchema = z.strictObject({ outcomes: z.array(outcomeSchema) });

/**
 * Keeps what became of the control planes of a page, and gives only their counts to the machine. When the slot is run again,
 * what is not verified yet gets the outcome of that attempt.
 */
export async function recordPage(
  { runId, page, outcomes }: { readonly runId: string; readonly page: number; readonly outcomes: readonly Outcome[] },
  { journal }: RunPorts,
): Promise<Counts> {
  const short = outcomes.map((outcome) => ({
    ...outcome,
    reason: outcome.reason === null ? null : shortReason(readReason(outcome.error ?? '', outcome.reason)),
  }));
  const recorded = await journal.revise(runId, pageName(page), recordedPageSchema, (present) => {
    const revised = afterAnotherAttempt(present?.outcomes ?? [], short);
    return present !== undefined && isDeepStrictEqual(present.outcomes, revised) ? present : { outcomes: revised };
  });
  return count(recorded.outcomes);
}

/**
 * Puts the pages together, keeps the result of the run, and announces it; a slot that is run again has the result of all its
 * attempts. NotFoundError when a page was not recorded: a part
 * of the run that was started out of turn must not make a final result of half of it.
 */
export async function reportRun(
  { runId, policy, slot }: PolicyRun,
  { store, journal, events, clock }: PublishingRunPorts,
): Promise<z.infer<typeof runReportSchema>> {
  const run = { runId, policy, slot };
  const { controlPlanes, unreachable } = await readPlan(run.runId, journal);
  const outcomes: Outcome[] = [];
  for (let page = 0; page * CONTROL_PLANES_A_PAGE < controlPlanes.length; page += 1) {
    const recorded = await journal.read(run.runId, pageName(page), recordedPageSchema);
    if (recorded === undefined) {
      throw new NotFoundError(`page ${page} of run ${runId} is not recorded`, {
        remedy: 'Redrive the execution of the run that has failed, or start the same slot with "lifeboat run".',
      });
    }
    outcomes.push(...recorded.outcomes);
  }
  const counts = count(outcomes);
  const failures = counts.failed + unreachable.length;
  const status = failures === 0 ? 'succeeded' : counts.verified === 0 ? 'failed' : 'partial';
  const finishedAt = clock().toISOString();
  const result: RunResult = { ...run, finishedAt, status, counts, unreachable, outcomes };
  const recorded = await journal.revise(run.runId, 'result', runResultSchema, (present) =>
    present !== undefined && isDeepStrictEqual({ ...present, finishedAt }, result) ? present : result,
  );
  const lastRun = lastRunSchema.parse(recorded);
  // A slot that was run late, by hand, does not hide a newer one.
  await changeJson(
    store,
    lastRunKey(policy),
    lastRunSchema,
    (present) => (present !== undefined && staysNewest(present, run, clock()) ? undefined : lastRun),
    { whenDamaged: 'replace' },
  );
  await events.publish({
    type: 'PolicyRunFinished',
    detail: {
      version: 1,
      ...run,
      status: recorded.status,
      counts: recorded.counts,
      unreachableManagementClusters: recorded.unreachable.map(({ managementCluster }) => managementCluster),
    },
  });
  return { status: recorded.status, counts: recorded.counts };
}

function count(outcomes: readonly Outcome[]): Counts {
  const of = (wanted: Outcome['outcome']) => outcomes.filter(({ outcome }) => outcome === wanted).length;
  return { verified: of('verified'), failed: of('failed'), skipped: of('skipped') };
}

function pageName(page: number): string {
  return `steps/record-page/${page}`;
}
