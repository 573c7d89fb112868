import { formatControlPlaneName, type ControlPlaneName } from '../domain/control-plane.ts';
import { ConfigurationError, NotFoundError } from '../domain/errors.ts';
import { isRecoveryPointId } from '../domain/recovery-point.ts';
import { LATEST_VERIFIED } from '../domain/restore.ts';
import { parsePastTime, TIME_EXAMPLE } from '../domain/time.ts';
import type { RecoveryPointPorts } from '../recovery-points/ports.ts';
import type { CataloguedPoint } from '../store/catalogue.ts';

/**
 * The recovery point that a restore asks for: by its id, the newest verified one, or the newest verified one at or before a
 * time; safety recovery points and those from the future only by their ids. NotFoundError when there is none, ConfigurationError for
 * a text that is none of these.
 */
export async function choosePoint(
  controlPlane: ControlPlaneName,
  wanted: string,
  { catalogue, clock, report }: Pick<RecoveryPointPorts, 'catalogue' | 'clock' | 'report'>,
): Promise<CataloguedPoint> {
  if (isRecoveryPointId(wanted)) return await catalogue.find(wanted, controlPlane);
  const now = clock();
  const upTo = wanted === LATEST_VERIFIED ? undefined : parsePointTime(wanted, now);
  const point = await catalogue.newestVerified(controlPlane, {
    now,
    upTo,
    onFuture: ({ address: { id }, manifest, storedAt }) => {
      const text = `recovery point ${id} is passed over: it says that it was taken at ${manifest.takenAt}, and the store got it at ${storedAt.toISOString()}; compare the clocks, or ask for it by its id`;
      report({ kind: 'note', text });
    },
  });
  if (point !== undefined) return point;
  if ((await catalogue.newest(controlPlane)) === undefined) {
    throw new NotFoundError(`there are no recovery points of ${formatControlPlaneName(controlPlane)}`, {
      remedy: 'Check the name, and that the store is the right one: "lifeboat list" shows what it has.',
    });
  }
  const when = upTo === undefined ? '' : ` from before ${upTo.toISOString()}`;
  throw new NotFoundError(`${formatControlPlaneName(controlPlane)} has no verified recovery point${when}`, {
    remedy: '"lifeboat list" shows what there is; "lifeboat verify" proves one that is only stored.',
  });
}

/** A text that looks like no time at all may have been meant as something else. */
function parsePointTime(text: string, now: Date): Date {
  if (/^\d{4}-\d\d/.test(text)) return parsePastTime(text, now);
  throw new ConfigurationError(`"${text}" names no recovery point`, {
    remedy: `Give an id such as 20260102T030405Z-a1b2, "${LATEST_VERIFIED}", or a time such as ${TIME_EXAMPLE}.`,
  });
}
