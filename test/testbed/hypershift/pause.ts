import type { ControlPlaneObject, NodePoolObject } from './resources.ts';

const RFC3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/;

/** `true`, `True` or an RFC 3339 date that lies ahead; any other text does not pause. */
export function isPaused(object: ControlPlaneObject | NodePoolObject, now: Date): boolean {
  const until = object.spec.pausedUntil;
  if (until === undefined) return false;
  if (until === 'true' || until === 'True') return true;
  return RFC3339.test(until) && Date.parse(until) > now.getTime();
}
