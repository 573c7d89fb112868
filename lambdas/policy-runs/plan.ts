import type * as z from 'zod';
import { policyNamed } from '../domain/configuration.ts';
import { parseControlPlaneName } from '../domain/control-plane.ts';
import { withRemedy } from '../domain/errors.ts';
import { findAbsences, findUnreached, type Seen } from '../domain/missing.ts';
import { selects, selectsManagementCluster } from '../domain/policy.ts';
import {
  CONTROL_PLANES_A_PAGE,
  PAGES_A_PART,
  parseSlot,
  runId,
  shortReason,
  type PartInput,
  type planSchema,
  type PolicyRun,
} from '../domain/policy-run.ts';
import { discoverAll } from '../platforms/discover.ts';
import type { ClusterRunPorts } from '../operations/ports.ts';
import { readCredentials } from './credentials.ts';
import { seenBefore } from './seen-before.ts';
import { readPlan, storedPlanSchema, type StoredPlan } from './stored-plan.ts';

/**
 * Lists what the policy selects and what it no longer finds, once a run; a management cluster that does not answer hides no
 * other, and is asked again when the slot is run again. Gives the pages of one part of the run: later parts go on with the plan
 * that the first one made, and NotFoundError says that there is none. ConfigurationError for a slot in the future.
 */
export async function planRun(
  { policy, slot, firstPage = 0 }: PartInput,
  ports: ClusterRunPorts,
): Promise<z.infer<typeof planSchema>> {
  parseSlot(slot, ports.clock());
  const run = { policy, slot, runId: runId({ policy, slot }) };
  const plan = firstPage === 0 ? await planOnce(run, ports) : await readPlan(run.runId, ports.journal);
  const end = Math.ceil(plan.controlPlanes.length / CONTROL_PLANES_A_PAGE);
  const pages = Math.max(0, Math.min(PAGES_A_PART, end - firstPage));
  const nextPage = firstPage + pages;
  return {
    ...run,
    pages: Array.from({ length: pages }, (_, page) => firstPage + page),
    nextPage: nextPage < end ? nextPage : null,
    controlPlanes: plan.controlPlanes.length,
    unreachable: plan.unreachable.length,
  };
}

async function planOnce(run: PolicyRun, ports: ClusterRunPorts): Promise<StoredPlan> {
  const { journal } = ports;
  const stored = await journal.read(run.runId, 'plan', storedPlanSchema);
  if (stored === undefined) {
    const listed = await listSelected(run, ports);
    return await journal.record(run.runId, 'plan', storedPlanSchema, { ...run, ...listed });
  }
  // An attempt that has no result yet goes on with its plan, whoever answers meanwhile.
  if (stored.unreachable.length === 0 || !(await journal.has(run.runId, 'result'))) return stored;
  const listed = await listSelected(run, ports, stored);
  return await journal.revise(run.runId, 'plan', storedPlanSchema, (present = stored) => withReached(present, listed));
}

/** Adds what could not be asked before. It comes last, so that the pages of before keep their control planes. */
function withReached(plan: StoredPlan, listed: Omit<StoredPlan, keyof PolicyRun>): StoredPlan {
  const before = new Set(plan.unreachable.map(({ managementCluster }) => managementCluster));
  const planned = new Set(plan.controlPlanes.map(({ controlPlane }) => controlPlane));
  const added = listed.controlPlanes.filter(
    ({ controlPlane }) =>
      before.has(parseControlPlaneName(controlPlane).managementCluster) && !planned.has(controlPlane),
  );
  const unreachable = listed.unreachable.filter(({ managementCluster }) => before.has(managementCluster));
  const unreached = listed.unreached.filter(({ controlPlane }) => !planned.has(controlPlane));
  return { ...plan, ...listed, controlPlanes: [...plan.controlPlanes, ...added], unreachable, unreached };
}

/** `earlier` is the plan of an earlier attempt at the slot. */
async function listSelected(
  run: PolicyRun,
  ports: ClusterRunPorts,
  earlier?: StoredPlan,
): Promise<Omit<StoredPlan, keyof PolicyRun>> {
  const { configuration, connect } = ports;
  const { select } = policyNamed(configuration, run.policy);
  const configured = Object.keys(configuration.managementClusters);
  const managementClusters = configured.filter((managementCluster) =>
    selectsManagementCluster(select, managementCluster),
  );
  const now = ports.clock();
  const { controlPlanes, served, failures } = await discoverAll(managementClusters, connect);
  const unreachable = new Set(failures.map(({ managementCluster }) => managementCluster));
  const credentials = await readCredentials(managementClusters, ports);
  const planned = controlPlanes
    .filter(({ controlPlane, platform, labels }) =>
      selects(select, { platform, name: parseControlPlaneName(controlPlane), labels }),
    )
    .map(({ controlPlane, platform }) => ({ controlPlane, platform }))
    .sort((a, b) => a.controlPlane.localeCompare(b.controlPlane));
  const selected = new Set(planned.map(({ controlPlane }) => controlPlane));
  const found = {
    at: now.toISOString(),
    selected,
    existing: new Set(controlPlanes.map(({ controlPlane }) => controlPlane)),
    served,
    asked: new Set(managementClusters),
    unreachable,
    configured: new Set(configured),
  };
  const before = await seenBefore({ ...run, selected, now, earlier }, ports);
  // Its labels nobody can see now.
  const maySelect = ({ controlPlane, platform }: Seen) =>
    selects({ ...select, labels: undefined }, { platform, name: parseControlPlaneName(controlPlane), labels: {} });
  const known = [...before.planned, ...before.controlPlanes].filter(maySelect);
  return {
    controlPlanes: planned,
    plannedAt: now.toISOString(),
    ...findAbsences(found, before),
    unreached: findUnreached(known, { unreachable, missing: before.missing }),
    unreachable: failures.map(({ managementCluster, error }) => ({
      managementCluster,
      error: error.name,
      reason: shortReason(withRemedy(error)),
    })),
    credentials: credentials.map(({ endAt, ...account }) => ({ ...account, endAt: endAt.toISOString() })),
  };
}
