import type { z } from 'zod';
import { parseControlPlaneName, type ControlPlaneName } from '../domain/control-plane.ts';
import { RetentionLockedError } from '../domain/errors.ts';
import type { lockedItemSchema, retainedSchema } from '../domain/policy-run.ts';
import type { RetentionRules } from '../domain/policy.ts';
import { recoveryPointPrefix } from '../domain/recovery-point.ts';
import { decideRetention, type RetentionDecision } from '../domain/retention.ts';
import type { CataloguedPoint } from '../store/catalogue.ts';
import { keepLock } from './back-up.ts';
import { policyNamed } from './plan.ts';
import type { RunPorts } from './ports.ts';

/** A mistaken rule must not empty a store in one night. */
const DELETION_CAP = 50;

/** What was decided on a point and, when it was to be deleted, whether it is gone. */
export interface RetainedOutcome extends RetentionDecision {
  readonly deleted: boolean;
}

/** Applies the policy's retention to one control plane; a point that cannot be read is never touched. */
export async function retainScheduled(
  item: z.infer<typeof lockedItemSchema>,
  ports: RunPorts,
): Promise<z.infer<typeof retainedSchema>> {
  await keepLock(item, ports);
  const { retention } = policyNamed(ports.configuration, item.policy);
  const outcomes = await applyRetention(parseControlPlaneName(item.controlPlane), retention, false, ports);
  const count = (action: RetentionDecision['action']) => outcomes.filter((outcome) => outcome.action === action).length;
  return {
    kept: count('keep'),
    deleted: outcomes.filter(({ deleted }) => deleted).length,
    deferred: count('later'),
  };
}

/** Decides on every point of a control plane and, unless it is a dry run, deletes what no rule keeps, the oldest first. */
export async function applyRetention(
  controlPlane: ControlPlaneName,
  rules: RetentionRules,
  dryRun: boolean,
  ports: Pick<RunPorts, 'catalogue' | 'store' | 'clock'>,
): Promise<RetainedOutcome[]> {
  const points = new Map<string, CataloguedPoint>();
  for await (const point of ports.catalogue.points(controlPlane)) {
    if ('manifest' in point) points.set(point.address.id, point);
  }
  const decisions = decideRetention(
    [...points.values()].map(({ address, manifest, verdict, pinned }) => ({
      id: address.id,
      controlPlaneUid: manifest.controlPlaneUid,
      takenAt: new Date(manifest.takenAt),
      reason: manifest.reason,
      verdict,
      pinned,
    })),
    rules,
    { now: ports.clock(), deletionCap: DELETION_CAP },
  );
  const outcomes: RetainedOutcome[] = [];
  for (const decision of decisions.toReversed()) {
    const point = points.get(decision.id);
    if (decision.action !== 'delete' || dryRun || point === undefined) outcomes.push({ ...decision, deleted: false });
    else outcomes.push(await deletePoint(point, decision, ports));
  }
  return outcomes.reverse();
}

/** The manifest goes first: from then on there is no such recovery point, and what is left is swept with the orphans. */
async function deletePoint(
  { address }: CataloguedPoint,
  decision: RetentionDecision,
  { catalogue, store }: Pick<RunPorts, 'catalogue' | 'store'>,
): Promise<RetainedOutcome> {
  try {
    await catalogue.remove(address);
  } catch (error) {
    if (!(error instanceof RetentionLockedError)) throw error;
    return { ...decision, action: 'keep', reasons: ['locked in the store'], deleted: false };
  }
  for await (const { key } of store.list(recoveryPointPrefix(address))) await store.remove(key);
  return { ...decision, deleted: true };
}
