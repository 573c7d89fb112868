import type { z } from 'zod';
import { parseControlPlaneName } from '../domain/control-plane.ts';
import { CorruptSnapshotError } from '../domain/errors.ts';
import {
  controlPlaneLock,
  takenSchema,
  verifiedSchema,
  type lockedItemSchema,
  type lockedSchema,
  type RunItem,
  type takenItemSchema,
} from '../domain/policy-run.ts';
import { platforms } from '../platforms/registry.ts';
import { announceVerdict } from '../recovery-points/announce.ts';
import { takeRecoveryPoint } from '../recovery-points/take.ts';
import { verifyRecoveryPoint } from '../recovery-points/verify.ts';
import { policyNamed } from './plan.ts';
import type { ClusterRunPorts, RunPorts } from './ports.ts';

/** Longer than any step may take (a function ends after 15 minutes); each step extends it when it begins. */
const LEASE_MILLISECONDS = 20 * 60 * 1000;

const DAY_MILLISECONDS = 24 * 3600 * 1000;

type LockedItem = z.infer<typeof lockedItemSchema>;

/** Takes the control plane's lock for this run. LockedError names the operation that is at work on it. */
export async function lockControlPlane(
  { controlPlane, runId }: RunItem,
  { locks }: RunPorts,
): Promise<z.infer<typeof lockedSchema>> {
  const purpose = `backs up ${controlPlane}`;
  const { token } = await locks.acquire(controlPlaneLock(controlPlane), runId, purpose, LEASE_MILLISECONDS);
  return { token };
}

/** Gives the lock back; no error when it is no longer this run's. */
export async function releaseControlPlane({ controlPlane, lock }: LockedItem, { locks }: RunPorts): Promise<null> {
  await locks.release({ name: controlPlaneLock(controlPlane), ...lock });
  return null;
}

/** Extends the lock, or throws LockedError when this run has lost it. */
export async function keepLock({ controlPlane, lock }: LockedItem, { locks }: RunPorts): Promise<void> {
  await locks.extend({ name: controlPlaneLock(controlPlane), ...lock }, LEASE_MILLISECONDS);
}

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
        ...(retainUntil && { retainUntil }),
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
