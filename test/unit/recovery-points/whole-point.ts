import { createHash } from 'node:crypto';
import { zstdCompressSync } from 'node:zlib';
import { readSnapshotFile } from '../../../lambdas/datastores/etcd/file/snapshot-file.ts';
import type { KubernetesObject } from '../../../lambdas/domain/kubernetes-object.ts';
import type { Manifest, Proof, RecoveryPointAddress } from '../../../lambdas/domain/recovery-point.ts';
import { recoveryPointPrefix } from '../../../lambdas/domain/recovery-point.ts';
import { Catalogue } from '../../../lambdas/store/catalogue.ts';
import type { ObjectStore } from '../../../lambdas/store/object-store.ts';
import { addressOf, storePoint } from '../../contract/stored-points.ts';
import { writeBoltFile } from '../etcd-file/bolt-writer.ts';
import { entriesOf, etcdBuckets } from '../etcd-file/history.ts';
import { withTrailer } from '../etcd-file/snapshot-fixture.ts';

export const WHOLE_ID = '20260102T030405Z-a1b2';
const ITEMS: readonly KubernetesObject[] = [
  {
    apiVersion: 'hypershift.openshift.io/v1beta1',
    kind: 'HostedCluster',
    metadata: { namespace: 'clusters', name: 'prod' },
  },
  { apiVersion: 'v1', kind: 'Secret', metadata: { namespace: 'clusters', name: 'pull-secret' }, data: { a: 'YQ==' } },
];
const DATABASE = withTrailer(
  writeBoltFile(etcdBuckets(entriesOf([[{ key: '/registry/things/a', value: Buffer.from('1') }]]))),
);

/** A proof of datastore `main`, unless said otherwise. */
export function proofOf(kind: Proof['kind'], result: Proof['result'], datastore = 'main'): Proof {
  return { kind, result, takenAt: '2026-01-02T03:04:05.000Z', datastore, detail: `${kind} ${result}` };
}

export interface WholePointOptions {
  /** Those of the manifest. */
  readonly proofs: readonly Proof[];
  readonly manifest?: Partial<Manifest>;
  /** Whether it is one of those whose identity was read back when they were taken. */
  readonly readBack?: boolean;
  /** What is stored as the identity, where that is not what the manifest lists. */
  readonly identity?: Buffer;
}

/** Stores a recovery point whose bytes are really those of an etcd file and an identity; `file` is where to write the first. */
export async function storeWholePoint(
  store: ObjectStore,
  file: (contents: Buffer) => string,
  { proofs, manifest = {}, readBack = true, identity }: WholePointOptions,
): Promise<RecoveryPointAddress> {
  const { prefix, clusterVersion, ...facts } = await readSnapshotFile(file(DATABASE));
  const address = addressOf(WHOLE_ID);
  const items = identity ?? Buffer.from(JSON.stringify({ apiVersion: 'v1', kind: 'List', items: ITEMS }));
  await storePoint(store, WHOLE_ID);
  const { manifest: usual } = await new Catalogue(store).find(WHOLE_ID);
  await store.remove(`${recoveryPointPrefix(address)}manifest.json`);
  const put = (name: string, bytes: Buffer) =>
    store.put(`${recoveryPointPrefix(address)}${name}`, zstdCompressSync(bytes));
  await put('etcd-main.db.zst', DATABASE);
  await put('identity.json.zst', items);
  const [etcd] = usual.datastores;
  if (etcd === undefined) throw new Error('the stored point has no datastore');
  await new Catalogue(store).commit(address, {
    ...usual,
    datastores: [
      { ...etcd, ...facts, prefix: prefix ?? null, clusterVersion: clusterVersion ?? null, sha256: sha256(DATABASE) },
    ],
    identity: {
      file: 'identity.json.zst',
      sizeBytes: items.length,
      storedBytes: 1,
      sha256: sha256(items),
      objects: ITEMS.map(({ kind, metadata }) => `${kind} ${metadata.namespace ?? ''}/${metadata.name}`),
      ...(readBack ? { readBack: true } : {}),
    },
    proofs: [...proofs],
    ...manifest,
  });
  return address;
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
