import { formatTime } from '../../lambdas/domain/time.ts';
import { saysFuture, type CataloguedPoint } from '../../lambdas/store/catalogue.ts';
import { formatAge } from './format.ts';

/** When a recovery point was taken, by its own word, as `--at` takes it. */
export function formatTaken({ manifest }: CataloguedPoint): string {
  return formatTime(new Date(manifest.takenAt));
}

/** How long ago a recovery point was taken; `future` where that can't be, because a clock was wrong. */
export function describeAge(point: CataloguedPoint, now: Date): string {
  return saysFuture(point, now) ? 'future' : formatAge(new Date(point.manifest.takenAt), now);
}

/** What a recovery point was taken for, and whether it is pinned. */
export function describePurpose({ manifest, pinned }: CataloguedPoint): string {
  return pinned ? `${manifest.reason}, pinned` : manifest.reason;
}
