import { randomUUID } from 'node:crypto';
import { formatControlPlaneName, type ControlPlaneName } from '../../lambdas/domain/control-plane.ts';
import { controlPlaneLock } from '../../lambdas/domain/policy-run.ts';
import type { RetentionRules } from '../../lambdas/domain/policy.ts';
import { policyNamed } from '../../lambdas/policy-runs/plan.ts';
import { applyRetention, type RetainedOutcome } from '../../lambdas/policy-runs/retain.ts';
import type { Ports } from '../local/ports.ts';
import { formatTable } from '../output/format.ts';
import type { CommandResult } from './result.ts';

const LEASE_MILLISECONDS = 20 * 60 * 1000;

export interface PruneOptions {
  readonly dryRun: boolean;
}

/** `lifeboat prune <policy>`: applies the policy's retention to every control plane that it has ever backed up. */
export async function prune(ports: Ports, policy: string, { dryRun }: PruneOptions): Promise<CommandResult> {
  const { retention } = policyNamed(ports.configuration, policy);
  const controlPlanes = new Map<string, ControlPlaneName>();
  for await (const point of ports.catalogue.points()) {
    if (!('manifest' in point) || point.manifest.policy !== policy) continue;
    controlPlanes.set(point.manifest.controlPlane, point.address.controlPlane);
  }
  const decisions: (RetainedOutcome & { readonly controlPlane: string })[] = [];
  for (const [controlPlane, name] of controlPlanes) {
    const outcomes = dryRun
      ? await applyRetention(name, retention, true, ports)
      : await pruneLocked(ports, name, retention);
    decisions.push(...outcomes.map((outcome) => ({ controlPlane, ...outcome })));
  }
  const rows = decisions.map(({ controlPlane, id, action, deleted, reasons }) => [
    controlPlane,
    id,
    deleted ? 'deleted' : action,
    reasons.join('; '),
  ]);
  const table = formatTable(['CONTROL PLANE', 'POINT', dryRun ? 'WOULD' : 'DONE', 'REASONS'], rows);
  return {
    json: { policy, dryRun, decisions },
    text: rows.length === 0 ? `no recovery points of policy ${policy}` : table,
  };
}

async function pruneLocked(ports: Ports, name: ControlPlaneName, rules: RetentionRules): Promise<RetainedOutcome[]> {
  const controlPlane = formatControlPlaneName(name);
  const owner = `prune-${randomUUID()}`;
  const purpose = `deletes recovery points of ${controlPlane}`;
  const lock = await ports.locks.acquire(controlPlaneLock(controlPlane), owner, purpose, LEASE_MILLISECONDS);
  try {
    return await applyRetention(name, rules, false, ports);
  } finally {
    await ports.locks.release(lock);
  }
}
