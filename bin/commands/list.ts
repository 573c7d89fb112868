import { formatControlPlaneName, parseControlPlaneName } from '../../lambdas/domain/control-plane.ts';
import { formatBytes } from '../../lambdas/domain/format-bytes.ts';
import type { CataloguedPoint, UnreadablePoint } from '../../lambdas/store/catalogue.ts';
import type { Ports } from '../local/ports.ts';
import { formatAge, formatTable } from '../output/format.ts';
import type { CommandResult } from './result.ts';

/** `lifeboat list [<control plane>]`: recovery points, newest first. */
export async function list(ports: Ports, controlPlane: string | undefined): Promise<CommandResult> {
  const filter = controlPlane === undefined ? undefined : parseControlPlaneName(controlPlane);
  const points = await Array.fromAsync(ports.catalogue.points(filter));
  points.sort((a, b) => b.address.id.localeCompare(a.address.id));
  const rows = points.map((point) => row(point, ports.clock()));
  return {
    json: { recoveryPoints: points.map(summary) },
    text:
      rows.length === 0
        ? `no recovery points in ${ports.store.location}`
        : formatTable(['ID', 'CONTROL PLANE', 'AGE', 'STATE', 'REASON', 'REVISION', 'SIZE', 'STORED'], rows),
  };
}

/** What every listing says of a recovery point. */
function summary(point: CataloguedPoint | UnreadablePoint): Record<string, unknown> {
  const { id, controlPlane, platform } = point.address;
  const where = { id, controlPlane: formatControlPlaneName(controlPlane), platform };
  if ('error' in point) return { ...where, verdict: 'unreadable', message: point.error.message };
  const { takenAt, reason, datastores } = point.manifest;
  return {
    ...where,
    verdict: point.verdict,
    takenAt,
    reason,
    proofs: point.proofs,
    datastores: datastores.map(({ name, revision, sizeBytes, storedBytes }) => ({
      name,
      revision,
      sizeBytes,
      storedBytes,
    })),
  };
}

function row(point: CataloguedPoint | UnreadablePoint, now: Date): string[] {
  const { id, controlPlane } = point.address;
  const name = formatControlPlaneName(controlPlane);
  if ('error' in point) return [id, name, '-', 'unreadable', '-', '-', '-', '-'];
  const { takenAt, reason, datastores } = point.manifest;
  const total = (field: 'sizeBytes' | 'storedBytes') =>
    formatBytes(datastores.reduce((sum, datastore) => sum + datastore[field], 0));
  const age = formatAge(new Date(takenAt), now);
  const revisions = datastores.map(({ revision }) => revision).join(', ');
  return [id, name, age, point.verdict, reason, revisions, total('sizeBytes'), total('storedBytes')];
}
