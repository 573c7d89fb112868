import * as z from 'zod';
import { NotFoundError } from '../domain/errors.ts';
import { missingSchema, seenSchema, servedSchema } from '../domain/missing.ts';
import {
  CONTROL_PLANES_A_PAGE,
  plannedControlPlaneSchema,
  runSchema,
  unreachableSchema,
  type pageInputSchema,
  type pageSchema,
} from '../domain/policy-run.ts';
import { PURPOSES } from '../domain/purpose.ts';
import type { RunPorts } from '../operations/ports.ts';

/**
 * `operations/<run>/plan.json`: which control planes a run backs up, fixed when it begins, and what it no longer finds. Plans of
 * before say nothing of the latter.
 */
export const storedPlanSchema = runSchema.extend({
  controlPlanes: z.array(plannedControlPlaneSchema),
  unreachable: z.array(unreachableSchema),
  /** When the credentials of each management cluster end, where that is known. */
  credentials: z.array(
    z.strictObject({
      managementCluster: z.string(),
      purpose: z.enum(PURPOSES).default('backup'),
      endAt: z.iso.datetime(),
    }),
  ),
  plannedAt: z.iso.datetime().optional(),
  /** The platforms of each management cluster; of one that did not answer, those that it served before. */
  served: z.array(servedSchema).default([]),
  /** Platforms that a management cluster served before, and does not now. */
  unserved: z.array(servedSchema).default([]),
  /** Control planes that were backed up before, and are found no longer. */
  missing: z.array(missingSchema).default([]),
  /** Control planes of the management clusters that did not answer, as they were known before: not backed up, and judged. */
  unreached: z.array(seenSchema).default([]),
});
export type StoredPlan = z.infer<typeof storedPlanSchema>;

/** The control planes of one page of a plan. */
export async function readPage(
  { runId: id, page }: z.infer<typeof pageInputSchema>,
  { journal }: RunPorts,
): Promise<z.infer<typeof pageSchema>> {
  const { policy, slot, controlPlanes } = await readPlan(id, journal);
  const first = page * CONTROL_PLANES_A_PAGE;
  return {
    runId: id,
    policy,
    slot,
    page,
    controlPlanes: controlPlanes.slice(first, first + CONTROL_PLANES_A_PAGE),
  };
}

/** The plan of a run; NotFoundError when there is none. */
export async function readPlan(id: string, journal: RunPorts['journal']): Promise<StoredPlan> {
  const plan = await journal.read(id, 'plan', storedPlanSchema);
  if (plan === undefined) throw new NotFoundError(`run ${id} has no plan`);
  return plan;
}
