import { UnsupportedError } from '../../../domain/errors.ts';

export interface BumpFacts {
  readonly snapshotRevision: number;
  /** Of the etcd that is replaced; undefined when it can't be asked any more. */
  readonly liveRevision: number | undefined;
  /** As recorded with the recovery point; null when it was the first one. */
  readonly writesPerSecond: number | null;
  /** Of the snapshot. */
  readonly ageSeconds: number;
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
const BUMP_WITHOUT_FACTS = 1_000_000_000;

/**
 * How far a restore raises the revision, so that it never falls behind one that a client has seen: clients would take what they
 * know for newer than what is. UnsupportedError when that is beyond 2^53.
 */
export function revisionBump(facts: BumpFacts): RevisionBump {
  const { bump, why } = chooseBump(facts);
  if (!Number.isSafeInteger(facts.snapshotRevision + bump)) {
    throw new UnsupportedError(`revision ${facts.snapshotRevision} can't be raised by ${bump}: that is beyond 2^53`, {
      remedy: 'Check the recorded revision and write rate of the recovery point; no real etcd gets there.',
    });
  }
  return { bump, why };
}

function chooseBump({ snapshotRevision, liveRevision, writesPerSecond, ageSeconds }: BumpFacts): RevisionBump {
  // An etcd that is behind the snapshot was begun anew since: what clients have seen before, it does not tell.
  if (liveRevision !== undefined && liveRevision >= snapshotRevision) {
    const ahead = liveRevision - snapshotRevision;
    const margin = Math.max(MARGIN, Math.ceil((writesPerSecond ?? 0) * MARGIN_SECONDS * RATE_FACTOR));
    return {
      bump: ahead + margin,
      why: `the live etcd is ${ahead} revisions ahead of the snapshot, and ${margin} more cover what is written until it is stopped`,
    };
  }
  if (writesPerSecond === null) {
    return {
      bump: BUMP_WITHOUT_FACTS,
      why: `neither the live revision nor a write rate is known; ${BUMP_WITHOUT_FACTS} cover a week at 1,500 writes a second`,
    };
  }
  const seconds = Math.max(0, ageSeconds);
  const estimate = Math.ceil(writesPerSecond * seconds * RATE_FACTOR);
  const rate = `${Number(writesPerSecond.toPrecision(3))} writes a second over ${Math.ceil(seconds)} s`;
  return estimate < SMALLEST_BUMP
    ? { bump: SMALLEST_BUMP, why: `the live revision is unknown and ${rate} were few: the smallest bump` }
    : { bump: estimate, why: `the live revision is unknown: ${rate}, times ${RATE_FACTOR}` };
}
