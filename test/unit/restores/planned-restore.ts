import type { DatastorePlan, RestorePlan } from '../../../lambdas/domain/restore.ts';
import { installedEtcd, OPERATION } from '../etcd-restore/installed-etcd.ts';

export const RESTORE = {
  operation: OPERATION,
  controlPlane: 'mgmt-a/clusters/prod',
  platform: 'hypershift',
  point: '20260102T030405Z-a1b2',
} as const;

/** A plan of {@link RESTORE}, of an etcd with two members. */
export function plannedRestore(datastore: Partial<DatastorePlan> = {}): RestorePlan {
  const none = { comesBack: [], vanishes: [], reverted: [], leftOut: { comesBack: 0, vanishes: 0, reverted: 0 } };
  return {
    ...RESTORE,
    kind: 'restore',
    strategy: 'swap-volumes',
    request: { operation: OPERATION, controlPlane: RESTORE.controlPlane, point: 'latest-verified' },
    plannedAt: '2026-01-02T04:04:05.000Z',
    pointTakenAt: '2026-01-02T03:04:05.000Z',
    target: {
      uid: 'uid',
      version: '4.20.1',
      datastores: [installedEtcd(2)],
      writers: [],
      lacking: [],
      pausedUntil: null,
      warnings: [],
    },
    datastores: [
      {
        datastore: 'main',
        etcdVersion: '3.6.5',
        outages: [],
        prefix: '/registry',
        revision: 10,
        sizeBytes: 100,
        sha256: '0'.repeat(64),
        clusterToken: OPERATION,
        bump: 1_000_000,
        bumpReason: 'few writes',
        difference: { snapshotRevision: 10, liveRevision: null, resources: [], named: none },
        sample: [],
        ...datastore,
      },
    ],
    lostIdentity: [],
    apiAwaySeconds: 16,
    warnings: [],
  };
}
