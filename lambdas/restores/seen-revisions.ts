import * as z from 'zod';
import { formatControlPlaneName, type ControlPlaneName } from '../domain/control-plane.ts';
import type { ClusterRunPorts } from '../operations/ports.ts';
import { passOverUnreadable, recordedRestores } from '../operations/recorded-restores.ts';
import { waitingName } from './records.ts';

/** What is needed of a plan, so that those of other versions of Lifeboat are read as well; null: it is another document. */
const plannedSchema = z
  .object({
    kind: z.literal('restore'),
    controlPlane: z.string(),
    plannedAt: z.iso.datetime(),
    datastores: z.array(z.object({ datastore: z.string(), revision: z.int(), bump: z.int() })),
  })
  .nullable()
  .catch(null);

/** A revision of one datastore of the control plane. */
export interface SeenRevisionOf {
  readonly datastore: string;
  readonly revision: number;
  readonly secondsAgo: number;
  /** Where it is known from, e.g. `recovery point 20260102T030405Z-a1b2`. */
  readonly source: string;
}

/**
 * All revisions of a control plane that the store knows of, and that its clients may have seen therefore: those of every recovery
 * point, whatever its verdict, and those that restores have raised them to, once they put data in place. How these ended does not
 * matter: one that was taken back may have served before. What can't be read is passed over.
 */
export async function seenRevisions(
  name: ControlPlaneName,
  { catalogue, store, clock }: Pick<ClusterRunPorts, 'catalogue' | 'store' | 'clock'>,
): Promise<SeenRevisionOf[]> {
  const now = clock().getTime();
  const seen: SeenRevisionOf[] = [];
  for await (const point of catalogue.points(name)) {
    if (!('manifest' in point)) continue;
    const secondsAgo = (now - Date.parse(point.manifest.takenAt)) / 1000;
    for (const { name: datastore, revision } of point.manifest.datastores) {
      seen.push({ datastore, revision, secondsAgo, source: `recovery point ${point.address.id}` });
    }
  }
  for (const { operation, journal } of await recordedRestores(store)) {
    const plan = await journal.read(operation, 'plan', plannedSchema).catch(passOverUnreadable);
    if (plan?.controlPlane !== formatControlPlaneName(name)) continue;
    if (!(await journal.has(operation, waitingName('swap-data')))) continue;
    const secondsAgo = (now - Date.parse(plan.plannedAt)) / 1000;
    for (const { datastore, revision, bump } of plan.datastores) {
      seen.push({ datastore, revision: revision + bump, secondsAgo, source: `what restore ${operation} put in place` });
    }
  }
  return seen;
}
