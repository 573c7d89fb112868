import * as z from 'zod';
import { describeAbsences, missingSchema, servedSchema, type Missing, type Served } from './missing.ts';
import { describeCounts, describeStatus, lastRunSchema } from './policy-run.ts';
import { PURPOSES, type Purpose } from './purpose.ts';
import { CLOCK_TOLERANCE_MILLISECONDS } from './verdict.ts';

const DAY_MILLISECONDS = 24 * 3600 * 1000;
/** Long enough to renew credentials in working hours, however late in a year. */
const NEAR_EXPIRY_MILLISECONDS = 14 * DAY_MILLISECONDS;

/** When an account on a management cluster ends. */
export interface CredentialsEnd {
  readonly managementCluster: string;
  readonly purpose: Purpose;
  readonly endAt: Date;
}

/** What is known of one policy, gathered from the store and the scheduler. */
export interface PolicyFacts {
  readonly policy: string;
  readonly objectiveMilliseconds: number;
  /** null when the policy never ran to its end. */
  readonly lastRun: z.infer<typeof lastRunSchema> | null;
  readonly controlPlanes: readonly { readonly controlPlane: string; readonly newestVerified: Date | null }[];
  /** What its last run no longer found, but for what was dismissed. */
  readonly missing: readonly Missing[];
  /** Platforms that management clusters no longer serve, but for what was dismissed. */
  readonly unserved: readonly Served[];
  /** `unknown` where no scheduler was asked. */
  readonly schedule: 'enabled' | 'disabled' | 'missing' | 'unknown';
  readonly credentials: readonly CredentialsEnd[];
  /** Control planes whose lock expired without being released, with its owner. */
  readonly outlivedLocks: readonly { readonly controlPlane: string; readonly owner: string }[];
}

const count = z.int().nonnegative();

/** How a policy stands: figures for alarms, and sentences for the person who is woken by one. */
export const policyStatusSchema = z.strictObject({
  policy: z.string(),
  /** Whether its records could be read; else there is nothing to tell of it but that. */
  readable: z.boolean(),
  objectiveSeconds: count,
  lastRun: lastRunSchema.nullable(),
  /** Of the control plane that is worst off; null when one has no verified point at all, or there is none. */
  oldestVerifiedAgeSeconds: count.nullable(),
  controlPlanes: count,
  beyondObjective: z.array(z.strictObject({ controlPlane: z.string(), ageSeconds: count.nullable() })),
  missing: z.array(missingSchema),
  unserved: z.array(servedSchema),
  failing: z.boolean(),
  credentialsNearExpiry: z.array(
    z.strictObject({ managementCluster: z.string(), purpose: z.enum(PURPOSES), endAt: z.iso.datetime() }),
  ),
  outlivedLocks: z.array(z.strictObject({ controlPlane: z.string(), owner: z.string() })),
  problems: z.array(z.string()),
});
export type PolicyStatus = z.infer<typeof policyStatusSchema>;

/** Judges a policy by its facts. */
export function judgePolicy(facts: PolicyFacts, now: Date): PolicyStatus {
  const { policy, objectiveMilliseconds, lastRun, missing, unserved, outlivedLocks } = facts;
  const ages = facts.controlPlanes.map(({ controlPlane, newestVerified }) => ({
    controlPlane,
    ageSeconds: newestVerified === null ? null : ageSeconds(newestVerified, now),
  }));
  const known = ages.flatMap(({ ageSeconds }) => ageSeconds ?? []);
  const beyondObjective = ages.filter(
    ({ ageSeconds }) => ageSeconds === null || ageSeconds * 1000 > objectiveMilliseconds,
  );
  const credentialsNearExpiry = facts.credentials
    .filter(({ endAt }) => isNearExpiry(endAt, now))
    .map(({ endAt, ...account }) => ({ ...account, endAt: endAt.toISOString() }));
  const failures = [
    ...(lastRun !== null && lastRun.status !== 'succeeded' ? [describeRun(lastRun)] : []),
    ...(lastRun?.unreachable.length === 0 && ages.length === 0 ? ['it selects no control plane'] : []),
    ...(facts.schedule === 'disabled' ? ['its schedule is disabled'] : []),
    ...(facts.schedule === 'missing' ? ['it has no schedule'] : []),
  ];
  return {
    policy,
    readable: true,
    objectiveSeconds: Math.round(objectiveMilliseconds / 1000),
    lastRun,
    oldestVerifiedAgeSeconds: known.length === 0 || known.length < ages.length ? null : Math.max(...known),
    controlPlanes: ages.length,
    beyondObjective,
    missing: [...missing],
    unserved: [...unserved],
    failing: failures.length > 0,
    credentialsNearExpiry,
    outlivedLocks: [...outlivedLocks],
    problems: [
      // Not a failure: its first slot may be to come. What keeps it from being run has alarms of its own.
      ...(lastRun === null ? ['it has never been run to its end'] : []),
      ...failures,
      ...describeAbsences(facts),
      ...beyondObjective.map(({ controlPlane, ageSeconds }) =>
        ageSeconds === null
          ? `${controlPlane} has no verified recovery point`
          : `the newest verified recovery point of ${controlPlane} is older than the objective`,
      ),
      ...credentialsNearExpiry.map(describeExpiry),
      ...outlivedLocks.map(({ controlPlane, owner }) => `${controlPlane} is still locked by ${owner}, which is dead`),
    ],
  };
}

/** A policy of which the last run, its plan or its result cannot be read, with the reason. */
export function unreadablePolicy(
  { policy, objectiveMilliseconds }: Pick<PolicyFacts, 'policy' | 'objectiveMilliseconds'>,
  reason: string,
): PolicyStatus {
  return {
    policy,
    readable: false,
    objectiveSeconds: Math.round(objectiveMilliseconds / 1000),
    lastRun: null,
    oldestVerifiedAgeSeconds: null,
    controlPlanes: 0,
    beyondObjective: [],
    missing: [],
    unserved: [],
    failing: true,
    credentialsNearExpiry: [],
    outlivedLocks: [],
    problems: [`it cannot be judged: ${reason}`],
  };
}

/** null for a time that is in the future beyond what clocks differ: it is no evidence of anything. */
function ageSeconds(since: Date, now: Date): number | null {
  const ageMilliseconds = now.getTime() - since.getTime();
  return ageMilliseconds < -CLOCK_TOLERANCE_MILLISECONDS ? null : Math.max(0, Math.round(ageMilliseconds / 1000));
}

/** Whether credentials have to be renewed now. */
export function isNearExpiry(endAt: Date, now: Date): boolean {
  return endAt.getTime() - now.getTime() < NEAR_EXPIRY_MILLISECONDS;
}

/** One sentence for people. */
export function describeExpiry({
  managementCluster,
  purpose,
  endAt,
}: PolicyStatus['credentialsNearExpiry'][number]): string {
  return `the credentials of ${managementCluster}${purpose === 'restore' ? ' for restores' : ''} end at ${endAt}`;
}

function describeRun({ runId, status, counts, unreachable }: z.infer<typeof lastRunSchema>): string {
  const few = unreachable.length === 1 ? '1 management cluster' : `${unreachable.length} management clusters`;
  const notAsked = unreachable.length === 0 ? '' : `, ${few} not asked`;
  return `run ${runId} ${describeStatus({ status, counts })}: ${describeCounts(counts)}${notAsked}`;
}
