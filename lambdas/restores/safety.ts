import type * as z from 'zod';
import { ConflictError } from '../domain/errors.ts';
import { safetyPointSchema, type DirectedRestore } from '../domain/restore.ts';
import { keepLock } from '../operations/lock.ts';
import type { ClusterRunPorts } from '../operations/ports.ts';
import { takeRecoveryPoint } from '../recovery-points/take.ts';
import { keepPaused } from './fence.ts';
import { openRestore } from './opened.ts';
import { readFenced } from './records.ts';

/**
 * Takes a recovery point of the fenced state, once a restore. ConflictError when it is not at the revision at which the fence
 * found the datastores: somebody has written since.
 */
export async function takeSafetyPoint(
  item: DirectedRestore,
  ports: ClusterRunPorts,
): Promise<z.infer<typeof safetyPointSchema>> {
  return await ports.journal.once(item.operation, 'take-safety-point', safetyPointSchema, async () => {
    const startedAt = ports.clock().toISOString();
    await keepLock(item, ports);
    const restore = await openRestore(item, ports);
    await keepPaused(restore, ports);
    const taken = (id: string) => ({ id, startedAt, doneAt: ports.clock().toISOString() });
    // An earlier delivery may have ended between the point's manifest and the journal.
    for await (const point of ports.catalogue.points(restore.name)) {
      if ('manifest' in point && point.manifest.operation === item.operation) return taken(point.address.id);
    }
    const manifest = await takeRecoveryPoint(
      { controlPlane: restore.name, platform: restore.platform, reason: 'safety', operation: item.operation },
      { ...ports, cluster: restore.cluster },
    );
    const fenced = await readFenced(item.operation, ports);
    for (const { name, revision } of manifest.datastores) {
      const expected = fenced?.datastores[name]?.revision;
      if (revision === expected) continue;
      throw new ConflictError(
        `datastore ${name} was written to behind the fence: at revision ${revision} instead of ${expected ?? 'none'}`,
        { remedy: `Find out who writes to it. Recovery point ${manifest.id} holds what it was.` },
      );
    }
    return taken(manifest.id);
  });
}
