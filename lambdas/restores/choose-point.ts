import { formatControlPlaneName, type ControlPlaneName } from '../domain/control-plane.ts';
import { ConfigurationError, NotFoundError } from '../domain/errors.ts';
import { isRecoveryPointId } from '../domain/recovery-point.ts';
import { LATEST_VERIFIED } from '../domain/restore.ts';
import type { Catalogue, CataloguedPoint } from '../store/catalogue.ts';

/**
 * The recovery point that a restore asks for: by its id, the newest verified one, or the newest verified one at or before a
 * time; safety recovery points only by their ids. NotFoundError when there is none, ConfigurationError for a text that is none of these.
 */
export async function choosePoint(
  controlPlane: ControlPlaneName,
  wanted: string,
  catalogue: Catalogue,
): Promise<CataloguedPoint> {
  if (isRecoveryPointId(wanted)) return await catalogue.find(wanted, controlPlane);
  const before = wanted === LATEST_VERIFIED ? undefined : parseTime(wanted);
  // What a restore put aside is no backup: after one that was taken back, "the latest" must not mean what it was to replace.
  const point = await catalogue.newestVerified(
    controlPlane,
    ({ reason, takenAt }) => reason !== 'safety' && (before === undefined || new Date(takenAt) <= before),
  );
  if (point !== undefined) return point;
  const when = before === undefined ? '' : ` from before ${before.toISOString()}`;
  throw new NotFoundError(`${formatControlPlaneName(controlPlane)} has no verified recovery point${when}`, {
    remedy: '"lifeboat list" shows what there is; "lifeboat verify" proves one that is only stored.',
  });
}

function parseTime(text: string): Date {
  const time = new Date(text);
  if (!Number.isNaN(time.getTime())) return time;
  throw new ConfigurationError(`"${text}" names no recovery point`, {
    remedy: `Give an id such as 20260102T030405Z-a1b2, "${LATEST_VERIFIED}", or a time such as 2026-01-02T03:04:05Z.`,
  });
}
