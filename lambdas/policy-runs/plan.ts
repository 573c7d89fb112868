import { z } from 'zod';
import type { Configuration } from '../domain/configuration.ts';
import { parseControlPlaneName } from '../domain/control-plane.ts';
import { ConfigurationError, NotFoundError } from '../domain/errors.ts';
import { selects, selectsManagementCluster, type Policy } from '../domain/policy.ts';
import {
  CONTROL_PLANES_A_PAGE,
  plannedControlPlaneSchema,
  runId,
  runSchema,
  shortReason,
  unreachableSchema,
  type pageInputSchema,
  type pageSchema,
  type planSchema,
  type RunInput,
} from '../domain/policy-run.ts';
import { discoverAll } from '../platforms/discover.ts';
import type { ClusterRunPorts, RunPorts } from './ports.ts';

/** `operations/<run>/plan.json`: which control planes a run backs up, fixed when it begins. */
export const storedPlanSchema = runSchema.extend({
  controlPlanes: z.array(plannedControlPlaneSchema),
  unreachable: z.array(unreachableSchema),
});
export type StoredPlan = z.infer<typeof storedPlanSchema>;

/** Lists what the policy selects, once a run; a management cluster that does not answer hides no other. */
export async function planRun(input: RunInput, ports: ClusterRunPorts): Promise<z.infer<typeof planSchema>> {
  const run = { ...input, runId: runId(input) };
  const { journal } = ports;
  const plan =
    (await journal.read(run.runId, 'plan', storedPlanSchema)) ??
    (await journal.record(run.runId, 'plan', storedPlanSchema, { ...run, ...(await listSelected(input, ports)) }));
  const pages = Math.ceil(plan.controlPlanes.length / CONTROL_PLANES_A_PAGE);
  return {
    ...run,
    pages: Array.from({ length: pages }, (_, page) => page),
    controlPlanes: plan.controlPlanes.length,
    unreachable: plan.unreachable.length,
  };
}

async function listSelected(
  { policy }: RunInput,
  { configuration, connect }: ClusterRunPorts,
): Promise<Pick<StoredPlan, 'controlPlanes' | 'unreachable'>> {
  const { select } = policyNamed(configuration, policy);
  const managementClusters = Object.keys(configuration.managementClusters).filter((managementCluster) =>
    selectsManagementCluster(select, managementCluster),
  );
  const { controlPlanes, failures } = await discoverAll(managementClusters, connect);
  return {
    controlPlanes: controlPlanes
      .filter(({ controlPlane, platform, labels }) =>
        selects(select, { platform, name: parseControlPlaneName(controlPlane), labels }),
      )
      .map(({ controlPlane, platform }) => ({ controlPlane, platform }))
      .sort((a, b) => a.controlPlane.localeCompare(b.controlPlane)),
    unreachable: failures.map(({ managementCluster, error }) => ({
      managementCluster,
      reason: shortReason(error.message),
    })),
  };
}

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

/** A policy by its name; ConfigurationError names those there are. */
export function policyNamed({ policies = {} }: Configuration, name: string): Policy {
  const policy = policies[name];
  if (policy !== undefined) return policy;
  throw new ConfigurationError(`there is no policy "${name}"`, {
    remedy: `Known are: ${Object.keys(policies).join(', ') || 'none'}. Add it below policies, or correct the name.`,
  });
}
