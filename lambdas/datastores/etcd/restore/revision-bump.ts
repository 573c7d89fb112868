import { UnsupportedError } from '../../../domain/errors.ts';
import { MOST_WRITES_PER_SECOND } from '../../../domain/write-rate.ts';
import { REVISION_RAISED_TOO_FAR } from '../wire/etcd-client.ts';

/** A revision that clients of the datastore may have seen. */
export interface SeenRevision {
  readonly revision: number;
  readonly secondsAgo: number;
  /** Where it is known from, e.g. `recovery point 20260102T030405Z-a1b2`. */
  readonly source: string;
}

export interface BumpFacts {
  readonly snapshotRevision: number;
  /** Of the etcd that is replaced; undefined when it can't be asked any more. */
  readonly liveRevision: number | undefined;
  /** As recorded with the recovery point; null when it isn't known. */
  readonly writesPerSecond: number | null;
  /** Of the snapshot. */
  readonly ageSeconds: number;
  /** What the store knows beside: of every recovery point, and of every restore that went so far as to put data in place. */
  readonly seen: readonly SeenRevision[];
}

export interface RevisionBump {
  readonly bump: number;
  /** One sentence for people. */
  readonly why: string;
}

const SMALLEST_BUMP = 1_000_000;
// The API still takes writes between the planning and the fence: an hour's worth, when it is known what that is.
const MARGIN = 1_000_000;
const MARGIN_SECONDS = 3600;
const RATE_FACTOR = 10;
// What etcd's own guide uses: a week at 1,500 writes a second.
const ALLOWANCE_WITHOUT_FACTS = 1_000_000_000;
const WRITES_PER_SECOND_WITHOUT_FACTS = 1_500;

/** A revision that the restored one must be above, and how many may have been written since. */
interface Mark {
  readonly revision: number;
  readonly allowance: number;
  readonly why: string;
}

/**
 * How far a restore raises the revision, so that it never falls behind one that a client has seen: clients would take what they
 * know for newer than what is. It is never raised by more than the revisions that are known and what etcd can have written since.
 * UnsupportedError when not even the live etcd's revision, or the snapshot's where none lives, can be raised below 2^53.
 */
export function revisionBump(facts: BumpFacts): RevisionBump {
  const { snapshotRevision } = facts;
  const marks = marksOf(facts);
  const [least] = marks;
  if (!isExceedable(least)) {
    throw new UnsupportedError(`revision ${least.revision} can't be raised by ${MARGIN}: that is beyond 2^53`, {
      remedy: REVISION_RAISED_TOO_FAR,
    });
  }
  const highest = marks.filter(isExceedable).reduce((best, mark) => (targetOf(mark) > targetOf(best) ? mark : best));
  const ignored = marks.filter((mark) => !isExceedable(mark)).length;
  return {
    bump: Math.max(SMALLEST_BUMP, targetOf(highest) - snapshotRevision),
    why: `${highest.why}${ignored === 0 ? '' : `; ${ignored} recorded revisions do not count: nothing can be raised above them`}`,
  };
}

function isExceedable({ revision }: Mark): boolean {
  return Number.isSafeInteger(revision + MARGIN);
}

/** Near 2^53 the margin must do. */
function targetOf({ revision, allowance }: Mark): number {
  return revision + (Number.isSafeInteger(revision + allowance) ? allowance : MARGIN);
}

/** The first one is that of the data which clients surely know. */
function marksOf({ snapshotRevision, liveRevision, writesPerSecond, ageSeconds, seen }: BumpFacts): [Mark, ...Mark[]] {
  const rate = writesPerSecond === null ? null : Math.min(writesPerSecond, MOST_WRITES_PER_SECOND);
  const isLive = liveRevision !== undefined && liveRevision >= snapshotRevision;
  // An etcd that is behind the snapshot was begun anew since: what clients have seen before, it does not tell.
  const least = isLive
    ? markOfLive(liveRevision, snapshotRevision, rate)
    : markOfSnapshot(snapshotRevision, rate, Math.max(0, ageSeconds));
  // What is not above the live revision, the live etcd has gone through: it knows better what was written since.
  const others = isLive ? seen.filter(({ revision }) => revision > liveRevision) : seen;
  return [least, ...others.map((one) => markOf(one, snapshotRevision, rate))];
}

function markOfLive(revision: number, snapshotRevision: number, rate: number | null): Mark {
  const margin = Math.max(MARGIN, Math.ceil((rate ?? 0) * MARGIN_SECONDS * RATE_FACTOR));
  const allowance = Math.min(margin, mostWritten(0));
  return {
    revision,
    allowance,
    why: `the live etcd is ${revision - snapshotRevision} revisions ahead of the snapshot, and ${allowance} more cover what is written until it is stopped`,
  };
}

function markOfSnapshot(revision: number, rate: number | null, seconds: number): Mark {
  const allowance = allowanceOf(rate, seconds);
  const bound = allowance === mostWritten(seconds) ? ', bounded by what etcd can write at all' : '';
  if (rate === null) {
    return {
      revision,
      allowance,
      why: `neither the live revision nor a write rate is known; ${allowance} cover ${WRITES_PER_SECOND_WITHOUT_FACTS} writes a second for a week and longer${bound}`,
    };
  }
  const written = `${Number(rate.toPrecision(3))} writes a second over ${Math.ceil(seconds)} s`;
  return {
    revision,
    allowance,
    why:
      allowance === SMALLEST_BUMP
        ? `the live revision is unknown and ${written} were few: the smallest bump`
        : `the live revision is unknown: ${written}, times ${RATE_FACTOR}${bound}`,
  };
}

function markOf({ revision, secondsAgo, source }: SeenRevision, snapshotRevision: number, rate: number | null): Mark {
  const allowance = allowanceOf(rate, Math.max(0, secondsAgo));
  return {
    revision,
    allowance,
    why: `${source} is ${revision - snapshotRevision} revisions ahead of the snapshot, and ${allowance} more cover what may have been written since`,
  };
}

/** How many revisions may have been written in this time: an estimate on the high side, but never more than etcd can. */
function allowanceOf(rate: number | null, seconds: number): number {
  const estimate =
    rate === null
      ? Math.max(ALLOWANCE_WITHOUT_FACTS, Math.ceil(WRITES_PER_SECOND_WITHOUT_FACTS * seconds))
      : Math.max(MARGIN, Math.ceil(rate * seconds * RATE_FACTOR));
  return Math.min(estimate, mostWritten(seconds));
}

/** The hour is for clocks that differ, and for what is still written until the fence stands. */
function mostWritten(seconds: number): number {
  return Math.ceil(MOST_WRITES_PER_SECOND * (seconds + MARGIN_SECONDS));
}
