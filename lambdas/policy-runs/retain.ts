import type * as z from 'zod';
import { policyNamed, safetyGraceDays } from '../domain/configuration.ts';
import { formatControlPlaneName, parseControlPlaneName, type ControlPlaneName } from '../domain/control-plane.ts';
import { RetentionLockedError } from '../domain/errors.ts';
import { controlPlaneLock } from '../domain/operation.ts';
import type { lockedItemSchema, retainedSchema } from '../domain/policy-run.ts';
import type { RetentionRules } from '../domain/policy.ts';
import { manifestKey, pinKey, recoveryPointPrefix } from '../domain/recovery-point.ts';
import {
  decideRetention,
  describeLock,
  type RetainedPoint,
  type RetentionDecision,
  type RetentionLock,
} from '../domain/retention.ts';
import { CLOCK_TOLERANCE_MILLISECONDS, isFromFuture } from '../domain/verdict.ts';
import { misplaced, type CataloguedPoint, type UnreadablePoint } from '../store/catalogue.ts';
import type { ObjectStore } from '../store/object-store.ts';
import { keepLock } from '../operations/lock.ts';
import type { RunPorts } from '../operations/ports.ts';
import { findRecordedRestore } from '../operations/recorded-restores.ts';
import { isOwnFile } from '../recovery-points/own-files.ts';
import { sweepLeftovers, type Leftover } from './sweep.ts';

/** A mistaken rule must not empty a store in one night. */
const DELETION_CAP = 50;
const SWEEP_CAP = 50;

/** What was decided on a point and, when it was to be deleted, whether it is gone. */
export interface RetainedOutcome extends RetentionDecision {
  readonly deleted: boolean;
}

export interface RetentionRequest {
  readonly controlPlane: ControlPlaneName;
  readonly policy: string;
  readonly rules: RetentionRules;
  /**
   * Called before every deletion: extends the control plane's lock, or throws when it is lost. Whoever uses a point holds
   * the lock of its control plane, and so is never disturbed. A dry run, which deletes nothing, goes without.
   */
  readonly keepLock?: (() => Promise<void>) | undefined;
}

/** What becomes of the points of a control plane, newest first, and of what failed takes have left behind. */
export interface RetentionReport {
  readonly points: readonly RetainedOutcome[];
  readonly leftovers: readonly Leftover[];
}

type RetentionPorts = Pick<RunPorts, 'catalogue' | 'store' | 'clock' | 'locks' | 'configuration'>;

/** Applies the policy's retention to one control plane. */
export async function retainScheduled(
  item: z.infer<typeof lockedItemSchema>,
  ports: RunPorts,
): Promise<z.infer<typeof retainedSchema>> {
  const { policy } = item;
  const { points, leftovers } = await applyRetention(
    {
      controlPlane: parseControlPlaneName(item.controlPlane),
      policy,
      rules: policyNamed(ports.configuration, policy).retention,
      keepLock: async () => {
        await keepLock(item, ports);
      },
    },
    ports,
  );
  const count = <T extends { readonly action: string }>(items: readonly T[], action: T['action']) =>
    items.filter((one) => one.action === action).length;
  return {
    kept: count(points, 'keep'),
    deleted: points.filter(({ deleted }) => deleted).length,
    deferred: count(points, 'later'),
    leftovers: {
      swept: leftovers.filter(({ swept }) => swept).length,
      kept: count(leftovers, 'keep'),
      deferred: count(leftovers, 'later'),
    },
  };
}

/**
 * Decides on every point of a control plane and, unless it is a dry run, deletes what no rule keeps, the oldest first; then
 * sweeps what failed takes have left behind. A point whose manifest can't be read, or is another one's, is never touched.
 */
export async function applyRetention(request: RetentionRequest, ports: RetentionPorts): Promise<RetentionReport> {
  const now = await trustedTime(request, ports);
  const points = new Map<string, CataloguedPoint>();
  const untouchable: RetainedOutcome[] = [];
  for await (const point of ports.catalogue.points(request.controlPlane)) {
    const { id } = point.address;
    const reason = reasonNotToTouch(point);
    if (reason === undefined && 'manifest' in point) points.set(id, point);
    else untouchable.push({ id, action: 'keep', reasons: [reason ?? ''], deleted: false });
  }
  const outcomes: RetainedOutcome[] = [];
  for (const decision of (await decideKnowing([...points.values()], request, now, ports)).toReversed()) {
    const point = points.get(decision.id);
    if (decision.action === 'delete' && request.keepLock !== undefined && point !== undefined) {
      await request.keepLock();
      outcomes.push(await deletePoint(point, decision, ports));
    } else {
      outcomes.push({ ...decision, deleted: false });
    }
  }
  const { controlPlane, keepLock: keep } = request;
  const leftovers = await sweepLeftovers({ controlPlane, now, cap: SWEEP_CAP, keepLock: keep }, ports.store);
  return { points: [...outcomes.reverse(), ...untouchable], leftovers };
}

/** When our clock is far ahead of the store's own, the store is right. The lock is there to ask for that. */
async function trustedTime(
  { controlPlane, keepLock: keep }: RetentionRequest,
  { clock, locks }: RetentionPorts,
): Promise<Date> {
  const now = clock();
  if (keep === undefined) return now;
  await keep();
  const storeTime = await locks.storeTime(controlPlaneLock(formatControlPlaneName(controlPlane)));
  return now.getTime() - storeTime.getTime() > CLOCK_TOLERANCE_MILLISECONDS ? storeTime : now;
}

function reasonNotToTouch(point: CataloguedPoint | UnreadablePoint): string | undefined {
  if (!('manifest' in point)) return 'its manifest or a proof cannot be read';
  const other = misplaced(point);
  return other === undefined ? undefined : `its manifest is that of ${other}`;
}

/** What takes requests to find out about a point. */
type Obstacles = Pick<RetainedPoint, 'lock' | 'unendedOperation'>;

/** Looks for obstacles only to points that would be deleted, and decides again until all of those are known to have none. */
async function decideKnowing(
  points: readonly CataloguedPoint[],
  { rules, policy }: RetentionRequest,
  now: Date,
  ports: RetentionPorts,
): Promise<RetentionDecision[]> {
  const known = new Map<string, Obstacles>();
  const context = { now, policy, deletionCap: DELETION_CAP, safetyGraceDays: safetyGraceDays(ports.configuration) };
  for (;;) {
    const decisions = decideRetention(
      points.map(({ address, manifest, storedAt, verdict, pinned }) => ({
        id: address.id,
        controlPlaneUid: manifest.controlPlaneUid,
        takenAt: new Date(manifest.takenAt),
        isFromFuture: isFromFuture(manifest, storedAt, now),
        reason: manifest.reason,
        verdict,
        pinned,
        policy: manifest.policy,
        ...known.get(address.id),
      })),
      rules,
      context,
    );
    const doomed = new Set(decisions.filter(({ action }) => action === 'delete').map(({ id }) => id));
    const unknown = points.filter(({ address: { id } }) => doomed.has(id) && !known.has(id));
    if (unknown.length === 0) return decisions;
    for (const point of unknown) {
      known.set(point.address.id, {
        lock: await lockOnPoint(point, ports.store),
        unendedOperation: await unendedOperationOf(point, ports),
      });
    }
  }
}

/** One that was planned and has no result: it may go on, and then needs its safety point for the way back. */
async function unendedOperationOf(
  { manifest: { reason, operation } }: CataloguedPoint,
  { store }: RetentionPorts,
): Promise<string | undefined> {
  if (reason !== 'safety' || operation === null) return undefined;
  const recorded = await findRecordedRestore(operation, store);
  if (recorded === undefined || (await recorded.journal.has(operation, 'result'))) return undefined;
  return operation;
}

/** The first lock on anything without which the point is worth nothing. */
async function lockOnPoint(point: CataloguedPoint, store: ObjectStore): Promise<RetentionLock | undefined> {
  for (const key of [manifestKey(point.address), ...dataKeys(point)]) {
    const { lock } = await store.history(key);
    if (lock !== undefined) return lock;
  }
  return undefined;
}

function dataKeys({ address, manifest }: CataloguedPoint): string[] {
  const files = [...manifest.datastores.map(({ file }) => file), manifest.identity.file];
  return files.map((file) => `${recoveryPointPrefix(address)}${file}`);
}

/** The manifest goes first: from then on there is no such recovery point, and what is left is swept with the orphans. */
async function deletePoint(
  point: CataloguedPoint,
  decision: RetentionDecision,
  { catalogue, store }: RetentionPorts,
): Promise<RetainedOutcome> {
  const { address } = point;
  const kept = (reason: string) => ({ ...decision, action: 'keep', reasons: [reason], deleted: false }) as const;
  if ((await store.head(pinKey(address))) !== undefined) return kept('pinned');
  try {
    await catalogue.remove(address);
  } catch (error) {
    if (!(error instanceof RetentionLockedError)) throw error;
    const { lock } = await store.history(manifestKey(address));
    return kept(lock === undefined ? 'locked in the store' : describeLock(lock));
  }
  const prefix = recoveryPointPrefix(address);
  const keys = new Set(dataKeys(point));
  for await (const { key } of store.list(prefix)) if (isOwnFile(key.slice(prefix.length))) keys.add(key);
  for (const key of keys) await removeUnlessLocked(key, store);
  return { ...decision, deleted: true };
}

/** What was locked since somebody looked stays as an orphan; every sweep tells why. */
async function removeUnlessLocked(key: string, store: ObjectStore): Promise<void> {
  try {
    await store.remove(key);
  } catch (error) {
    if (!(error instanceof RetentionLockedError)) throw error;
  }
}
