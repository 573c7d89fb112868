import pLimit from 'p-limit';
import { parseControlPlaneName } from '../domain/control-plane.ts';
import { LifeboatError } from '../domain/errors.ts';
import { isDismissed } from '../domain/missing.ts';
import { controlPlaneLock } from '../domain/operation.ts';
import { objectiveMilliseconds } from '../domain/policy.ts';
import { lastRunKey, lastRunSchema, runResultSchema, type LastRun } from '../domain/policy-run.ts';
import { judgePolicy, unreadablePolicy, type PolicyFacts, type PolicyStatus } from '../domain/policy-status.ts';
import { timeOfRecoveryPoint } from '../domain/recovery-point.ts';
import { isFromFuture } from '../domain/verdict.ts';
import { findJson } from '../store/stored-json.ts';
import { readDismissals } from './seen-before.ts';
import { readPlan } from './stored-plan.ts';
import type { RunPorts } from '../operations/ports.ts';

/** Requests to the store at once. */
const REQUESTS_AT_ONCE = 32;

export type StatusPorts = Pick<RunPorts, 'configuration' | 'store' | 'catalogue' | 'journal' | 'locks' | 'clock'>;

/** Whether the schedules of a policy fire; only AWS has any. */
export type ScheduleState = (policy: string) => PolicyFacts['schedule'];

/**
 * How every policy stands, from the store alone: a control plane that the last run has verified costs no request, so that
 * ten thousand of them can be judged every few minutes. A policy whose records cannot be read hides no other.
 */
export async function policyStatuses(
  ports: StatusPorts,
  scheduleOf: ScheduleState = () => 'unknown',
): Promise<PolicyStatus[]> {
  const { policies = {} } = ports.configuration;
  const now = ports.clock();
  const statuses = Object.entries(policies).map(async ([policy, definition]) => {
    const subject = { policy, objectiveMilliseconds: objectiveMilliseconds(definition) };
    try {
      return judgePolicy({ ...subject, schedule: scheduleOf(policy), ...(await readFacts(policy, now, ports)) }, now);
    } catch (error) {
      // A store that does not answer may do so at the next attempt.
      if (!(error instanceof LifeboatError) || error.kind === 'transient') throw error;
      return unreadablePolicy(subject, error.message);
    }
  });
  return await Promise.all(statuses);
}

type ReadFacts = Omit<PolicyFacts, 'policy' | 'objectiveMilliseconds' | 'schedule'>;

async function readFacts(policy: string, now: Date, ports: StatusPorts): Promise<ReadFacts> {
  const key = lastRunKey(policy);
  const lastRun = await findJson(ports.store, key, lastRunSchema);
  if (lastRun === undefined) {
    return { lastRun: null, controlPlanes: [], missing: [], unserved: [], credentials: [], outlivedLocks: [] };
  }
  // By the store's clock no point of the run was taken later than this.
  const reportedAt = (await ports.store.head(key))?.modifiedAt ?? now;
  return { lastRun, ...(await readRun(lastRun, { reportedAt, now }, ports)) };
}

async function readRun(
  { runId }: LastRun,
  { reportedAt, now }: { readonly reportedAt: Date; readonly now: Date },
  { store, journal, catalogue, locks }: StatusPorts,
): Promise<Omit<ReadFacts, 'lastRun'>> {
  const dismissals = await readDismissals(store);
  const plan = await readPlan(runId, journal);
  const result = await journal.read(runId, 'result', runResultSchema);
  const verified = new Map(
    result?.outcomes.flatMap(({ controlPlane, outcome, point: id }) => {
      if (outcome !== 'verified' || id === null) return [];
      const takenAt = timeOfRecoveryPoint(id);
      if (isFromFuture({ id, takenAt: takenAt.toISOString() }, reportedAt, now)) return [];
      return [[controlPlane, takenAt] as const];
    }),
  );
  const limit = pLimit(REQUESTS_AT_ONCE);
  const outlivedLocks: { controlPlane: string; owner: string }[] = [];
  const judged = [
    ...plan.controlPlanes,
    ...plan.unreached.filter(({ controlPlane, lastSeenAt }) => !isDismissed(dismissals, controlPlane, lastSeenAt)),
  ];
  const controlPlanes = await limit.map(judged, async ({ controlPlane }) => {
    const known = verified.get(controlPlane);
    if (known !== undefined) return { controlPlane, newestVerified: known };
    const lock = await locks.read(controlPlaneLock(controlPlane));
    if (lock?.isExpired === true) outlivedLocks.push({ controlPlane, owner: lock.owner });
    const newest = await catalogue.newestVerified(parseControlPlaneName(controlPlane), { now });
    return { controlPlane, newestVerified: newest === undefined ? null : new Date(newest.manifest.takenAt) };
  });
  const credentials = plan.credentials.map(({ endAt, ...account }) => ({ ...account, endAt: new Date(endAt) }));
  return {
    controlPlanes,
    missing: plan.missing.filter(({ controlPlane, lastSeenAt }) => !isDismissed(dismissals, controlPlane, lastSeenAt)),
    unserved: plan.unserved.filter(
      ({ managementCluster, lastSeenAt }) => !isDismissed(dismissals, managementCluster, lastSeenAt),
    ),
    credentials,
    outlivedLocks,
  };
}
