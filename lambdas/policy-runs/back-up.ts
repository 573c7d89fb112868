import type * as z from 'zod';
import { policyNamed } from '../domain/configuration.ts';
import { parseControlPlaneName } from '../domain/control-plane.ts';
import { CorruptSnapshotError } from '../domain/errors.ts';
import { takenSchema, verifiedSchema, type lockedItemSchema, type takenItemSchema } from '../domain/policy-run.ts';
import { platforms } from '../platforms/registry.ts';
import { announceVerdict } from '../recovery-points/announce.ts';
import { takeRecoveryPoint } from '../recovery-points/take.ts';
import { verifyRecoveryPoint } from '../recovery-points/verify.ts';
import { keepLock } from '../operations/lock.ts';
import type { ClusterRunPorts } from '../operations/ports.ts';

const DAY_MILLISECONDS = 24 * 3600 * 1000;

type LockedItem = z.infer<typeof lockedItemSchema>;

/** Takes one recovery point a run, however often it is delivered. */
export async function takeScheduled(item: LockedItem, ports: ClusterRunPorts): Promise<z.infer<typeof takenSchema>> {
  const { runId, policy, controlPlane, platform } = item;
  const name = parseControlPlaneName(controlPlane);
  return await ports.journal.once(runId, `take-snapshot/${controlPlane}`, takenSchema, async () => {
    await keepLock(item, ports);
    // An earlier delivery may have ended between the point's manifest and the journal.
    for await (const point of ports.catalogue.points(name)) {
      if ('manifest' in point && point.manifest.operation === runId) return { id: point.address.id };
    }
    const { objectLock } = policyNamed(ports.configuration, policy);
    const retainUntil = objectLock && new Date(ports.clock().getTime() + objectLock.days * DAY_MILLISECONDS);
    const cluster = await ports.connect(name.managementCluster);
    const { id } = await takeRecoveryPoint(
      {
        controlPlane: name,
        platform: platforms[platform],
        reason: 'scheduled',
        policy,
        operation: runId,
        ...(retainUntil && { retainUntil, lockMode: objectLock.mode }),
      },
      { ...ports, cluster },
    );
    return { id };
  });
}

/**
 * Reads the run's recovery point back, independently of whoever wrote it, and announces the verdict.
 * CorruptSnapshotError when it is refused.
 */
export async function verifyScheduled(
  item: z.infer<typeof takenItemSchema>,
  ports: ClusterRunPorts,
): Promise<z.infer<typeof verifiedSchema>> {
  const {
    runId,
    policy,
    controlPlane,
    point: { id },
  } = item;
  const name = parseControlPlaneName(controlPlane);
  return await ports.journal.once(runId, `verify-recovery-point/${controlPlane}`, verifiedSchema, async () => {
    await keepLock(item, ports);
    const point = await ports.catalogue.find(id, name);
    const live = policyNamed(ports.configuration, policy).verification === 'live';
    await verifyRecoveryPoint(point, live ? await ports.connect(name.managementCluster) : undefined, ports);
    const verified = await ports.catalogue.find(id, name);
    await announceVerdict(verified, ports.events);
    const { verdict } = verified;
    if (verdict === 'refused') throw new CorruptSnapshotError(`recovery point ${id} of ${controlPlane} is refused`);
    return { verdict };
  });
}
