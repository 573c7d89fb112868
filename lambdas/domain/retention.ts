import { parseDuration } from './duration.ts';
import type { RetentionRules } from './policy.ts';
import type { RecoveryPointReason } from './recovery-point.ts';

const HOUR_MILLISECONDS = 3_600_000;
const DAY_MILLISECONDS = 24 * HOUR_MILLISECONDS;

/** Time in which people may look at a point that is not verified, before it is deleted. */
const GRACE_MILLISECONDS = 3 * DAY_MILLISECONDS;
/** Of a point that a person asked for. Those that no schedule took use up no rule of one; `final` and `imported` have no end. */
const ON_DEMAND_DAYS = 30;

/** What keeps an object in the store from being deleted: a lock until a time, a legal hold, or both. */
export interface RetentionLock {
  readonly until: Date | undefined;
  readonly legalHold: boolean;
}

/** A recovery point as far as retention looks at it. */
export interface RetainedPoint {
  readonly id: string;
  readonly controlPlaneUid: string;
  readonly takenAt: Date;
  /** It says that it was taken later than can be, even if that time has come meanwhile: whoever took it had a wrong clock. */
  readonly isFromFuture: boolean;
  readonly reason: RecoveryPointReason;
  readonly verdict: 'verified' | 'stored' | 'refused';
  readonly pinned: boolean;
  /** The policy that took it; null when none did. */
  readonly policy: string | null;
  /** On its manifest or its data; left out as long as nobody has looked. */
  readonly lock?: RetentionLock | undefined;
  /** The operation that took it, while that has not ended; left out as long as nobody has looked. */
  readonly unendedOperation?: string | undefined;
}

/** What becomes of a point, and every reason for it. `later`: it may go, but this run has deleted enough. */
export interface RetentionDecision {
  readonly id: string;
  readonly action: 'keep' | 'delete' | 'later';
  readonly reasons: readonly string[];
}

export interface RetentionContext {
  readonly now: Date;
  /** Whose rules these are. Points of other policies are kept, as those have rules of their own. */
  readonly policy: string;
  /** So many points are deleted at most, the oldest first. */
  readonly deletionCap: number;
  /** So long a safety point is kept, whatever its verdict: nothing else holds what a restore has replaced. */
  readonly safetyGraceDays: number;
}

/**
 * Decides on all points of one control plane, newest first. Points of another uid belonged to another control plane of the
 * same name, and of those from the future nobody knows when they were taken: they are groups of their own, and each group is
 * decided by itself, so that no point of one takes the place of another's.
 *
 * As in restic, rules are OR-ed, of each period the newest point is kept, and while a rule's count is not used up the
 * oldest point is kept as well. Only verified points of this policy count; a point from the future counts for nothing and is
 * kept.
 */
export function decideRetention(
  points: readonly RetainedPoint[],
  rules: RetentionRules,
  { now, policy, deletionCap, safetyGraceDays }: RetentionContext,
): RetentionDecision[] {
  const newestFirst = [...points].sort((a, b) => compare(b, a));
  const reasons = new Map<RetainedPoint, string[]>(newestFirst.map((point) => [point, []]));
  const keep = (point: RetainedPoint, reason: string) => reasons.get(point)?.push(reason);
  const groupOf = ({ controlPlaneUid, isFromFuture }: RetainedPoint) => `${controlPlaneUid} ${isFromFuture}`;
  for (const group of Map.groupBy(newestFirst, groupOf).values()) {
    keepByProtection(group, rules, now, keep);
    for (const point of group) {
      keepByReason(point, now, safetyGraceDays, keep);
      if (isOfAnother(point, policy)) keep(point, `policy ${point.policy ?? ''} decides on it`);
    }
    keepByRules(
      group.filter(
        (point) =>
          point.verdict === 'verified' &&
          point.reason === 'scheduled' &&
          !isOfAnother(point, policy) &&
          point.takenAt <= now,
      ),
      rules,
      keep,
    );
  }
  const deletable = newestFirst.filter((point) => reasons.get(point)?.length === 0);
  const deleted = new Set(deletable.slice(Math.max(0, deletable.length - deletionCap)));
  return newestFirst.map((point) => {
    const kept = reasons.get(point) ?? [];
    if (kept.length > 0) return { id: point.id, action: 'keep', reasons: kept };
    const why = reasonToDelete(point);
    return { id: point.id, action: deleted.has(point) ? 'delete' : 'later', reasons: [why] };
  });
}

function reasonToDelete({ reason, verdict }: RetainedPoint): string {
  if (reason === 'safety') return 'safety, and its grace time is over';
  return verdict === 'verified' ? 'no rule keeps it' : `${verdict}, and nobody can restore from it`;
}

/** In words, to be read after "it is" or as a reason. */
export function describeLock({ until, legalHold }: RetentionLock): string {
  const locked = until === undefined ? [] : [`locked until ${until.toISOString()}`];
  return [...(legalHold ? ['under a legal hold'] : []), ...locked].join(' and ');
}

function isOfAnother(point: RetainedPoint, policy: string): boolean {
  return point.policy !== null && point.policy !== policy;
}

/** What is kept whatever the rules say. */
function keepByProtection(
  group: readonly RetainedPoint[],
  { minimumVerified }: RetentionRules,
  now: Date,
  keep: (point: RetainedPoint, reason: string) => void,
): void {
  const verified = group.filter(({ verdict, takenAt }) => verdict === 'verified' && takenAt <= now);
  // What a restore put aside is no backup, and one from the future may be of any age: neither uses up the minimum.
  const backups = verified.filter(({ reason }) => reason !== 'safety');
  for (const point of new Set([...verified.slice(0, 1), ...backups.slice(0, 1)])) keep(point, 'newest verified');
  for (const point of backups.slice(1, minimumVerified)) {
    keep(point, `one of ${minimumVerified} verified that always stay`);
  }
  const latest = group.find(({ takenAt }) => takenAt <= now);
  if (latest !== undefined && latest.verdict !== 'verified') keep(latest, 'newest');
  for (const point of group) {
    const ageMilliseconds = now.getTime() - point.takenAt.getTime();
    if (point.pinned) keep(point, 'pinned');
    if (point.lock !== undefined) keep(point, describeLock(point.lock));
    if (ageMilliseconds < 0) keep(point, 'taken in the future');
    if (point.verdict !== 'verified' && ageMilliseconds < GRACE_MILLISECONDS)
      keep(point, `${point.verdict}, to be looked at`);
  }
}

/** What is kept because of what it was taken for. */
function keepByReason(
  point: RetainedPoint,
  now: Date,
  safetyGraceDays: number,
  keep: (point: RetainedPoint, reason: string) => void,
): void {
  const { reason, verdict, takenAt, unendedOperation } = point;
  const isYoungerThan = (days: number) => now.getTime() - takenAt.getTime() < days * DAY_MILLISECONDS;
  switch (reason) {
    case 'scheduled':
      return;
    case 'on-demand':
      if (verdict === 'verified' && isYoungerThan(ON_DEMAND_DAYS)) {
        keep(point, `on-demand, kept for ${ON_DEMAND_DAYS} days`);
      }
      return;
    case 'safety':
      if (isYoungerThan(safetyGraceDays)) keep(point, `safety, kept for ${safetyGraceDays} days`);
      if (unendedOperation !== undefined) keep(point, `safety, and ${unendedOperation} has not ended`);
      return;
    default:
      keep(point, `${reason}, deleted by hand only`);
  }
}

/** `points`: those that count, newest first. */
function keepByRules(
  points: readonly RetainedPoint[],
  rules: RetentionRules,
  keep: (point: RetainedPoint, reason: string) => void,
): void {
  const [newest] = points;
  const oldest = points.at(-1);
  if (newest === undefined || oldest === undefined) return;
  for (const [rule, periodOf] of Object.entries(PERIODS) as [
    keyof typeof PERIODS,
    (point: RetainedPoint) => string,
  ][]) {
    const count = rules[rule] ?? 0;
    const periods = new Set<string>();
    for (const point of points) {
      const period = periodOf(point);
      if (periods.has(period) || periods.size >= count) continue;
      periods.add(period);
      keep(point, `${rule} ${period}`);
    }
    if (periods.size < count) keep(oldest, `${rule}, the oldest while there are fewer than ${count}`);
  }
  if (rules.within === undefined) return;
  const since = newest.takenAt.getTime() - parseDuration(rules.within);
  for (const point of points) if (point.takenAt.getTime() >= since) keep(point, `within ${rules.within} of the newest`);
}

/** The period that a point falls into, in UTC: in local time an hour comes twice a year, and another one never. */
const PERIODS = {
  last: ({ id }: RetainedPoint) => id,
  hourly: ({ takenAt }: RetainedPoint) => `${takenAt.toISOString().slice(0, 13)}h`,
  daily: ({ takenAt }: RetainedPoint) => takenAt.toISOString().slice(0, 10),
  weekly: ({ takenAt }: RetainedPoint) => isoWeek(takenAt),
  monthly: ({ takenAt }: RetainedPoint) => takenAt.toISOString().slice(0, 7),
  yearly: ({ takenAt }: RetainedPoint) => takenAt.toISOString().slice(0, 4),
} as const;

/** `2026-W53`: the year is that of the week's Thursday, not always that of the date. */
function isoWeek(date: Date): string {
  const thursday = new Date(date);
  thursday.setUTCDate(date.getUTCDate() + 4 - (date.getUTCDay() || 7));
  const year = thursday.getUTCFullYear();
  const day = Math.floor((thursday.getTime() - Date.UTC(year, 0, 1)) / DAY_MILLISECONDS);
  return `${year}-W${String(Math.floor(day / 7) + 1).padStart(2, '0')}`;
}

function compare(a: RetainedPoint, b: RetainedPoint): number {
  return a.takenAt.getTime() - b.takenAt.getTime() || a.id.localeCompare(b.id);
}
