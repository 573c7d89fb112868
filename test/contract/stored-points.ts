import { createHash } from 'node:crypto';
import { formatControlPlaneName, type ControlPlaneName } from '../../lambdas/domain/control-plane.ts';
import {
  manifestSchema,
  recoveryPointPrefix,
  type Manifest,
  type RecoveryPointAddress,
} from '../../lambdas/domain/recovery-point.ts';
import { Catalogue } from '../../lambdas/store/catalogue.ts';
import type { ObjectStore, PutOptions } from '../../lambdas/store/object-store.ts';

/** The control plane of points that are stored for tests. */
export const CONTROL_PLANE = { managementCluster: 'mgmt-a', namespace: 'clusters', name: 'prod' } as const;

/** Where the point of an id lies. */
export function addressOf(id: string, controlPlane: ControlPlaneName = CONTROL_PLANE): RecoveryPointAddress {
  return { platform: 'hypershift', controlPlane, id };
}

/** What is given of a stored point; a verified one of policy `nightly` unless said otherwise. */
export interface PointOptions extends PutOptions {
  readonly manifest?: Partial<Manifest>;
  readonly controlPlane?: ControlPlaneName;
  readonly verified?: boolean;
}

/** Stores what a take would: a datastore of one etcd member, identity, manifest. Gives the address. */
export async function storePoint(
  store: ObjectStore,
  id: string,
  { manifest = {}, verified = true, controlPlane = CONTROL_PLANE, ...options }: PointOptions = {},
): Promise<RecoveryPointAddress> {
  const address = addressOf(id, controlPlane);
  await storeData(store, id, options, controlPlane);
  const named = { ...manifest, controlPlane: formatControlPlaneName(controlPlane) };
  const whole = { ...manifestOf(id, verified ? ['stream', 'structure'] : ['stream']), ...named };
  await new Catalogue(store).commit(address, whole, options);
  return address;
}

/** Stores what a take leaves behind that dies before the manifest. */
export async function storeData(
  store: ObjectStore,
  id: string,
  options: PutOptions = {},
  controlPlane: ControlPlaneName = CONTROL_PLANE,
): Promise<void> {
  const prefix = recoveryPointPrefix(addressOf(id, controlPlane));
  for (const file of ['etcd-main.db.zst', 'identity.json.zst']) {
    await store.put(`${prefix}${file}`, Buffer.from(file), { ifAbsent: true, ...options });
  }
}

function manifestOf(id: string, proofs: readonly ('stream' | 'structure')[]): Manifest {
  const takenAt = id.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z.*/, '$1-$2-$3T$4:$5:$6.000Z');
  const sha256 = createHash('sha256').update(id).digest('hex');
  return manifestSchema.parse({
    manifestVersion: 2,
    id,
    controlPlane: formatControlPlaneName(CONTROL_PLANE),
    controlPlaneUid: 'uid',
    platform: 'hypershift',
    reason: 'scheduled',
    policy: 'nightly',
    operation: null,
    takenAt,
    toolVersion: '0.0.0',
    managementKubernetesVersion: 'v1.35.4',
    controlPlaneVersion: '4.20.1',
    datastores: [
      {
        name: 'main',
        kind: 'etcd',
        file: 'etcd-main.db.zst',
        version: '3.6.5',
        storageVersion: '3.6.0',
        clusterVersion: '3.6.0',
        clusterId: '1',
        memberId: '2',
        memberPod: 'etcd-0',
        memberChoice: [],
        members: [],
        removedMembers: [],
        revision: 10,
        compactRevision: -1,
        sizeBytes: 100,
        pageSizeBytes: 4096,
        storedBytes: 16,
        sha256,
        trailerSha256: sha256,
        statusHash: 1,
        keyspaceHash: { hash: 1, revision: 10, compactRevision: -1 },
        keys: 1,
        keysByResource: {},
        prefix: null,
        leases: 0,
        encryption: [],
        warnings: [],
        writesPerSecond: null,
      },
    ],
    identity: {
      file: 'identity.json.zst',
      sizeBytes: 100,
      storedBytes: 17,
      sha256,
      objects: ['HostedCluster clusters/prod'],
    },
    proofs: proofs.map((kind) => ({ kind, result: 'passed', takenAt, datastore: 'main', detail: 'as found' })),
    phases: [],
  });
}
