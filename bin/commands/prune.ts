import { formatControlPlaneName, type ControlPlaneName } from '../../lambdas/domain/control-plane.ts';
import { LockedError } from '../../lambdas/domain/errors.ts';
import { operationName } from '../../lambdas/domain/operation.ts';
import { policyNamed } from '../../lambdas/domain/configuration.ts';
import { withControlPlaneLock, type AttendedLockPorts } from '../../lambdas/operations/lock.ts';
import { applyRetention, type RetentionReport, type RetentionRequest } from '../../lambdas/policy-runs/retain.ts';
import type { Ports } from '../local/ports.ts';
import { EXIT } from '../output/exit-codes.ts';
import { formatTable } from '../output/format.ts';
import type { CommandResult } from './result.ts';

export interface PruneOptions {
  readonly dryRun: boolean;
}

type PrunePorts = AttendedLockPorts & Pick<Ports, 'configuration' | 'catalogue' | 'store' | 'clock' | 'random'>;

/** What became of one control plane; `skipped` says which operation is at work on it. */
interface Pruned extends RetentionReport {
  readonly controlPlane: string;
  readonly skipped: string | null;
}

/**
 * `lifeboat prune <policy>`: applies the policy's retention to every control plane that it has ever backed up. One that
 * another operation has locked is skipped, as that may be using its points.
 */
export async function prune(ports: PrunePorts, policy: string, { dryRun }: PruneOptions): Promise<CommandResult> {
  const { retention: rules } = policyNamed(ports.configuration, policy);
  const controlPlanes = new Map<string, ControlPlaneName>();
  for await (const point of ports.catalogue.points()) {
    if (!('manifest' in point) || point.manifest.policy !== policy) continue;
    controlPlanes.set(formatControlPlaneName(point.address.controlPlane), point.address.controlPlane);
  }
  const pruned: Pruned[] = [];
  for (const [name, controlPlane] of controlPlanes) {
    const request = { controlPlane, policy, rules };
    const report = dryRun ? await applyRetention(request, ports) : await pruneLocked(ports, name, request);
    pruned.push({ controlPlane: name, skipped: null, ...report });
  }
  const decisions = pruned.flatMap(({ controlPlane, points }) => points.map((point) => ({ controlPlane, ...point })));
  const leftovers = pruned.flatMap(({ controlPlane, leftovers: left }) =>
    left.map((leftover) => ({ controlPlane, ...leftover })),
  );
  const skipped = pruned.flatMap(({ controlPlane, skipped: reason }) =>
    reason === null ? [] : [{ controlPlane, reason }],
  );
  const rows = [
    ...decisions.map(({ controlPlane, id, action, deleted, reasons }) => [
      controlPlane,
      id,
      deleted ? 'deleted' : action,
      reasons.join('; '),
    ]),
    ...leftovers.map(({ controlPlane, kind, name, action, swept, reason }) => [
      controlPlane,
      name,
      swept ? 'swept' : action,
      `${kind}: ${reason}`,
    ]),
    ...skipped.map(({ controlPlane, reason }) => [controlPlane, '-', 'skipped', reason]),
  ];
  const table = formatTable(['CONTROL PLANE', 'POINT', dryRun ? 'WOULD' : 'DONE', 'REASONS'], rows);
  return {
    json: { policy, dryRun, decisions, leftovers, skipped },
    text: rows.length === 0 ? `no recovery points of policy ${policy}` : table,
    exitCode: skipped.length === 0 ? EXIT.done : EXIT.failed,
  };
}

async function pruneLocked(
  ports: PrunePorts,
  controlPlane: string,
  request: RetentionRequest,
): Promise<RetentionReport & { readonly skipped: string | null }> {
  const operation = operationName('prune', ports.clock(), ports.random);
  try {
    return await withControlPlaneLock({ operation, controlPlane, purpose: 'prune' }, ports, async ({ keepLock }) => ({
      skipped: null,
      ...(await applyRetention({ ...request, keepLock }, ports)),
    }));
  } catch (error) {
    if (!(error instanceof LockedError)) throw error;
    return { skipped: error.message, points: [], leftovers: [] };
  }
}
