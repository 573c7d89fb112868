import type { LifeboatEvent } from '../domain/events.ts';
import { formatControlPlaneName } from '../domain/control-plane.ts';
import { manifestKey } from '../domain/recovery-point.ts';
import type { Events } from '../events/events.ts';
import type { CataloguedPoint } from '../store/catalogue.ts';

/** Tells whoever listens what the proofs of a recovery point amount to; nothing while it is only stored. */
export async function announceVerdict(point: CataloguedPoint, events: Events): Promise<void> {
  const { address, manifest, proofs, verdict } = point;
  if (verdict === 'stored') return;
  const detail: Extract<LifeboatEvent, { type: 'RecoveryPointVerified' }>['detail'] = {
    version: 1,
    id: address.id,
    controlPlane: formatControlPlaneName(address.controlPlane),
    controlPlaneUid: manifest.controlPlaneUid,
    platform: address.platform,
    policy: manifest.policy,
    takenAt: manifest.takenAt,
    manifestKey: manifestKey(address),
    proofs: [...proofs],
  };
  await events.publish({ type: verdict === 'verified' ? 'RecoveryPointVerified' : 'RecoveryPointRefused', detail });
}
