import {
  formatControlPlaneName,
  parseControlPlaneName,
  type ControlPlaneName,
} from '../../lambdas/domain/control-plane.ts';
import { NotFoundError } from '../../lambdas/domain/errors.ts';
import { saysFuture, type CataloguedPoint, type UnreadablePoint } from '../../lambdas/store/catalogue.ts';
import { missingStore } from '../local/missing-store.ts';
import type { Ports } from '../local/ports.ts';
import { formatTable } from '../output/format.ts';
import { describeAge, describePurpose, formatTaken } from '../output/point-text.ts';
import type { CommandResult } from './result.ts';

type ListPorts = Pick<Ports, 'catalogue' | 'store' | 'clock' | 'managementClusters'>;

/** `lifeboat list [<control plane>]`: the recovery points of each control plane, newest first. */
export async function list(ports: ListPorts, controlPlane: string | undefined): Promise<CommandResult> {
  const filter = controlPlane === undefined ? undefined : parseControlPlaneName(controlPlane);
  const points = await Array.fromAsync(ports.catalogue.points(filter));
  if (filter !== undefined && points.length === 0) refuseUnknownCluster(filter, ports);
  points.sort((a, b) => b.address.id.localeCompare(a.address.id));
  const now = ports.clock();
  const byControlPlane = Map.groupBy(points, ({ address }) => formatControlPlaneName(address.controlPlane));
  const tables = [...byControlPlane]
    .sort(([a], [b]) => a.localeCompare(b))
    .map(([name, own]) => `${name}\n${table(own, now)}`);
  return {
    json: { recoveryPoints: points.map((point) => summary(point, now)) },
    text: tables.length === 0 ? describeNone(controlPlane, ports) : tables.join('\n\n'),
  };
}

/** A name of a management cluster that is neither configured nor in the store is a mistake, and no empty list. */
function refuseUnknownCluster(controlPlane: ControlPlaneName, { managementClusters, store }: ListPorts): void {
  const { managementCluster } = controlPlane;
  if (managementClusters.includes(managementCluster)) return;
  const name = formatControlPlaneName(controlPlane);
  throw new NotFoundError(
    `there is no control plane of the name ${name}: no management cluster ${managementCluster} is configured, and ${store.location} has no recovery points of it`,
    { remedy: '"lifeboat discover" shows the control planes that there are, "lifeboat list" those of the store.' },
  );
}

function describeNone(controlPlane: string | undefined, { store }: ListPorts): string {
  const missing = missingStore(store);
  if (missing !== undefined) return `no recovery points: ${missing}`;
  if (controlPlane === undefined) return `no recovery points in ${store.location}`;
  return `no recovery points of ${controlPlane} in ${store.location}; is the name right? "lifeboat discover" shows the control planes`;
}

/** What every listing says of a recovery point. */
function summary(point: CataloguedPoint | UnreadablePoint, now: Date): Record<string, unknown> {
  const { id, controlPlane, platform } = point.address;
  const where = { id, controlPlane: formatControlPlaneName(controlPlane), platform };
  if ('error' in point) return { ...where, verdict: 'unreadable', message: point.error.message };
  const { takenAt, reason, datastores } = point.manifest;
  return {
    ...where,
    verdict: point.verdict,
    takenAt,
    isFromFuture: saysFuture(point, now),
    reason,
    pinned: point.pinned,
    proofs: point.proofs,
    datastores: datastores.map(({ name, revision, sizeBytes, storedBytes }) => ({
      name,
      revision,
      sizeBytes,
      storedBytes,
    })),
  };
}

function table(points: readonly (CataloguedPoint | UnreadablePoint)[], now: Date): string {
  return formatTable(
    ['ID', 'TAKEN', 'AGE', 'STATE', 'REASON'],
    points.map((point) =>
      'error' in point
        ? [point.address.id, '-', '-', 'unreadable', '-']
        : [point.address.id, formatTaken(point), describeAge(point, now), point.verdict, describePurpose(point)],
    ),
  );
}
