/**
 * No etcd takes more writes a second for long: its own benchmark ends at 50,000, with a thousand clients that do nothing else
 * (etcd.io/docs, "Performance"). What looks faster is no writing, but a revision that somebody raised.
 */
export const MOST_WRITES_PER_SECOND = 50_000;

/** A datastore as a recovery point finds it. */
export interface ObservedRevision {
  readonly controlPlaneUid: string;
  /** Another one after every restore. */
  readonly clusterId: string;
  readonly revision: number;
  readonly takenAt: Date;
}

/** The same as the recovery point before has it. */
export interface RecordedRevision extends ObservedRevision {
  readonly writesPerSecond: number | null;
}

/**
 * Revisions a second since the recovery point before; null when it isn't known. It is never measured across a restore, which
 * raises the revision by far more than is written: then the rate from before the restore stands.
 */
export function writeRate(observed: ObservedRevision, before: RecordedRevision | undefined): number | null {
  if (before === undefined || before.controlPlaneUid !== observed.controlPlaneUid) return null;
  const seconds = (observed.takenAt.getTime() - before.takenAt.getTime()) / 1000;
  const rate = (observed.revision - before.revision) / seconds;
  // Who restores by hand, without a token of its own, leaves the cluster id as it was.
  const isMeasured = before.clusterId === observed.clusterId && seconds > 0 && rate >= 0;
  return isMeasured && rate <= MOST_WRITES_PER_SECOND ? rate : believable(before.writesPerSecond);
}

/** Manifests of former versions hold rates that were measured across a restore. */
function believable(writesPerSecond: number | null): number | null {
  return writesPerSecond !== null && writesPerSecond <= MOST_WRITES_PER_SECOND ? writesPerSecond : null;
}
