import * as z from 'zod';
import { PLATFORMS } from './control-plane.ts';
import { lockedSchema } from './operation.ts';
import { formatTime, isPast, parsePastTime } from './time.ts';

/**
 * What passes between the steps of `back-up-fleet`. Step N+1's input is built from step N's output, and a test walks the
 * machine's file to prove that they fit. A step takes what it knows of a state and lets the rest pass. All of it stays far
 * below Step Functions' 256 KiB a state.
 */

/** Items of a page: with the longest texts of failures the outcomes of a page stay below 256 KiB (test/workflow/payload.test.ts). */
export const CONTROL_PLANES_A_PAGE = 40;
/**
 * Pages of one execution; the rest goes on in another one, because Step Functions ends an execution after 25,000 events of
 * its history. So many fit in a night in which every control plane needs four more attempts, together with a redrive of the
 * pages that are under way at once (computed from the machine's file by test/workflow/history.test.ts).
 */
export const PAGES_A_PART = 12;
const LONGEST_REASON = 2_000;

const slot = z.iso.datetime();
const count = z.int().nonnegative();

/** How a run is started: a policy, and the time for which it was scheduled. */
export const runInputSchema = z.object({ policy: z.string(), slot });
export type RunInput = z.infer<typeof runInputSchema>;

export const runSchema = runInputSchema.extend({ runId: z.string() });
export type PolicyRun = z.infer<typeof runSchema>;

/** How the machine is started: a run from its beginning, or the part of it that begins with a later page. */
export const partInputSchema = runInputSchema.extend({ firstPage: count.optional() });
export type PartInput = z.infer<typeof partInputSchema>;

/** The part that the machine starts when its own is done. */
export const nextPartSchema = runInputSchema.extend({ firstPage: z.int().positive() });
export type NextPart = z.infer<typeof nextPartSchema>;

/** A management cluster whose control planes could not be listed. */
export const unreachableSchema = z.object({
  managementCluster: z.string(),
  /** Name of the error; runs of before do not have it. */
  error: z.string().optional(),
  reason: z.string(),
});

export const planSchema = runSchema.extend({
  /** Numbers of the pages of this part, which lie in the store. */
  pages: z.array(count).max(PAGES_A_PART),
  /** Where the next part begins; null when this one is the last. */
  nextPage: z.int().positive().nullable(),
  /** Of the whole run. */
  controlPlanes: count,
  unreachable: count,
});

/** What the machine gives the step that reads a page. */
export const pageInputSchema = z.object({ runId: z.string(), page: count });

export const plannedControlPlaneSchema = z.object({
  controlPlane: z.string(),
  platform: z.enum(PLATFORMS),
});

export const pageSchema = runSchema.extend({
  page: count,
  controlPlanes: z.array(plannedControlPlaneSchema).max(CONTROL_PLANES_A_PAGE),
});

/** One control plane in one run. */
export const itemSchema = runSchema.extend(plannedControlPlaneSchema.shape);

export const lockedItemSchema = itemSchema.extend({ lock: lockedSchema });

export const takenSchema = z.object({ id: z.string() });
export const takenItemSchema = lockedItemSchema.extend({ point: takenSchema });

export const verifiedSchema = z.object({ verdict: z.enum(['verified', 'stored', 'refused']) });

export const retainedSchema = z.object({
  kept: count,
  deleted: count,
  deferred: count,
  /** What failed takes have left behind: swept, not swept for a reason, and left for the next run. */
  leftovers: z.object({ swept: count, kept: count, deferred: count }),
});

/** What became of one control plane; failures carry the name and text of their error. */
export const outcomeSchema = z.strictObject({
  controlPlane: z.string(),
  outcome: z.enum(['verified', 'failed', 'skipped']),
  step: z.string().nullable(),
  point: z.string().nullable(),
  error: z.string().nullable(),
  reason: z.string().nullable(),
});
export type Outcome = z.infer<typeof outcomeSchema>;

export const pageOutcomesSchema = z.object({ runId: z.string(), page: count, outcomes: z.array(outcomeSchema) });

export const countsSchema = z.strictObject({ verified: count, failed: count, skipped: count });
export type Counts = z.infer<typeof countsSchema>;

/** What the machine is told of a run's end. */
export const runReportSchema = z.object({ status: z.enum(['succeeded', 'partial', 'failed']), counts: countsSchema });

/** `operations/<run>/result.json` */
export const runResultSchema = runSchema.extend({
  finishedAt: z.iso.datetime(),
  status: z.enum(['succeeded', 'partial', 'failed']),
  counts: countsSchema,
  unreachable: z.array(unreachableSchema),
  outcomes: z.array(outcomeSchema),
});
export type RunResult = z.infer<typeof runResultSchema>;

/** In words of people: a run that has skipped control planes has not backed them up, although nothing of it failed. */
export function describeStatus({ status, counts }: Pick<RunResult, 'status' | 'counts'>): string {
  return status === 'succeeded' && counts.skipped > 0 ? 'incomplete' : status;
}

/** What became of the control planes of a run; zeros say nothing. */
export function describeCounts(counts: Counts): string {
  const told = Object.entries(counts).filter(([, count]) => count > 0);
  return told.length === 0 ? 'no control planes' : told.map(([outcome, count]) => `${count} ${outcome}`).join(', ');
}

/** `policies/<policy>/last-run.json`: the newest slot that was run to its end, so that nobody has to list all runs. */
export const lastRunSchema = runResultSchema.omit({ outcomes: true });
export type LastRun = z.infer<typeof lastRunSchema>;

/** Key of a policy's {@link lastRunSchema}. */
export function lastRunKey(policy: string): string {
  return `policies/${policy}/last-run.json`;
}

/** The name of a run, and of its first execution: the same slot delivered twice is the same run. */
export function runId({ policy, slot }: RunInput): string {
  return `${policy}-${slot.replace(/[-:]|\.\d+/g, '')}`;
}

/** The name of the execution of a later part, which makes it one however often it is started. */
export function partName({ firstPage, ...run }: NextPart): string {
  return `${runId(run)}-${firstPage}`;
}

/** Name of one of the schedules of a policy: some need two, because EventBridge has no "or" of days. */
export function scheduleName(policy: string, index: number): string {
  return `${policy}-${index + 1}`;
}

/**
 * The slot that a text stands for, to the second in UTC. ConfigurationError when it is no time with a zone, or in the future:
 * its result would stand for a time that nobody has backed up yet.
 */
export function parseSlot(text: string, now: Date): string {
  return formatTime(parsePastTime(text, now));
}

/** Whether a report of a run stays the newest one of its policy beside that of another slot. One of the future hides none. */
export function staysNewest(reported: RunInput, { slot }: RunInput, now: Date): boolean {
  const reportedSlot = new Date(reported.slot);
  return reportedSlot.getTime() > Date.parse(slot) && isPast(reportedSlot, now);
}

/**
 * What became of control planes after one more attempt at the same slot: what was verified before stays so, as nothing is done
 * twice, and of all others the last attempt tells.
 */
export function afterAnotherAttempt(before: readonly Outcome[], attempt: readonly Outcome[]): Outcome[] {
  const outcomes = new Map(before.map((outcome) => [outcome.controlPlane, outcome]));
  for (const outcome of attempt) {
    if (outcomes.get(outcome.controlPlane)?.outcome !== 'verified') outcomes.set(outcome.controlPlane, outcome);
  }
  return [...outcomes.values()];
}

/** Cuts a failure's text to what an outcome may carry. */
export function shortReason(text: string): string {
  return text.length <= LONGEST_REASON ? text : `${text.slice(0, LONGEST_REASON - 1)}…`;
}
