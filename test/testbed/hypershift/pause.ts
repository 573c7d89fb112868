import type { ControlPlaneObject, NodePoolObject } from './resources.ts';

const RFC3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/;

type Pausable = ControlPlaneObject | NodePoolObject;

/** `true`, `True` or an RFC 3339 date that lies ahead; any other text does not pause. */
export function isPaused(object: Pausable, now: Date): boolean {
  const until = object.spec.pausedUntil;
  if (until === undefined) return false;
  if (until === 'true' || until === 'True') return true;
  return RFC3339.test(until) && Date.parse(until) > now.getTime();
}

/** Milliseconds until the first of these pauses ends by its date; Infinity when none does. */
export function millisecondsToPauseEnd(objects: readonly Pausable[], now: Date): number {
  const ends = objects
    .filter((object) => isPaused(object, now))
    .map(({ spec }) => Date.parse(spec.pausedUntil ?? '') - now.getTime());
  return Math.min(...ends.filter((milliseconds) => !Number.isNaN(milliseconds)));
}
