import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { zstdCompressSync } from 'node:zlib';
import { IdentityIncompleteError, RestoreRefusedError } from '../../../lambdas/domain/errors.ts';
import { describeObject, type KubernetesObject } from '../../../lambdas/domain/kubernetes-object.ts';
import { recoveryPointPrefix, type EtcdEntry } from '../../../lambdas/domain/recovery-point.ts';
import type { RestoreTarget } from '../../../lambdas/domain/restore-target.ts';
import { hypershift } from '../../../lambdas/platforms/hypershift/hypershift.ts';
import { checkIdentity, type IdentityCheck } from '../../../lambdas/restores/preflight.ts';
import { Catalogue } from '../../../lambdas/store/catalogue.ts';
import { DirectoryStore } from '../../../lambdas/store/directory-store.ts';
import { addressOf, storePoint } from '../../contract/stored-points.ts';
import { installedEtcd } from '../etcd-restore/installed-etcd.ts';
import { apiServing, CONTROL_PLANE, hostedCluster, inNamespace, NAMESPACE } from '../hypershift/served-objects.ts';

const ID = '20260102T030405Z-a1b2';
const PKI = [
  'root-ca',
  'etcd-signer',
  'etcd-metrics-signer',
  'sa-signing-key',
  'cluster-signer-ca',
  'kube-apiserver-to-kubelet-signer',
  'kas-aggregator-client-signer',
  'kube-control-plane-signer',
  'system-admin-signer',
  'konnectivity-signer',
];
const KEY = 'Secret clusters/prod-key';

const beside = (kind: 'Secret' | 'ConfigMap', name: string, data: object): KubernetesObject => {
  return { apiVersion: 'v1', kind, metadata: { namespace: 'clusters', name }, data };
};
const IDENTITY: readonly KubernetesObject[] = [
  hostedCluster({
    secretEncryption: { type: 'aescbc', aescbc: { activeKey: { name: 'prod-key' } } },
    additionalTrustBundle: { name: 'trust' },
  }),
  beside('Secret', 'prod-key', { key: 'b25l' }),
  beside('ConfigMap', 'trust', { 'ca-bundle.crt': 'one' }),
  ...PKI.map((name) => inNamespace('v1', 'Secret', { name }, { data: { 'ca.crt': name } })),
];
const TARGET: RestoreTarget = {
  uid: 'uid-1',
  version: '4.20.1',
  datastores: [installedEtcd(1)],
  writers: [],
  lacking: [],
  pausedUntil: null,
  warnings: [],
};

let directory: string;
let store: DirectoryStore;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'lifeboat-identity-'));
  store = new DirectoryStore(directory);
});
afterEach(async () => {
  await rm(directory, { recursive: true });
});

interface Situation {
  /** What is there in the end; all of the identity when left out. */
  readonly present?: readonly KubernetesObject[];
  readonly lacking?: readonly string[];
  readonly encryption?: EtcdEntry['encryption'];
}

/** Checks a point that holds all of the identity against what is there. */
async function check({ present = IDENTITY, lacking = [], encryption = [] }: Situation): Promise<IdentityCheck> {
  const content = Buffer.from(JSON.stringify({ items: IDENTITY }));
  const packed = zstdCompressSync(content);
  await storePoint(store, ID);
  const stored = await new Catalogue(store).find(ID);
  const { manifest } = stored;
  await store.put(`${recoveryPointPrefix(addressOf(ID))}identity.json.zst`, packed);
  const identity = {
    ...manifest.identity,
    sizeBytes: content.length,
    sha256: createHash('sha256').update(content).digest('hex'),
  };
  const datastores = manifest.datastores.map((datastore) => ({ ...datastore, encryption }));
  const point = { ...stored, manifest: { ...manifest, identity, datastores } };
  const target = { ...TARGET, lacking: [...lacking] };
  return await checkIdentity(
    point,
    { name: CONTROL_PLANE, platform: hypershift, api: apiServing(present), target },
    { store },
  );
}

const without = (...names: readonly string[]) => IDENTITY.filter((object) => !names.includes(describeObject(object)));
const withOther = (name: string) =>
  IDENTITY.map((object) => (describeObject(object) === name ? { ...object, data: { key: 'b3RoZXI=' } } : object));
const ENCRYPTED = [{ provider: 'aescbc', key: 'aescbckey-1', values: 3 }];

describe('the identity of a recovery point', () => {
  it('that is as it was needs nothing', async () => {
    expect(await check({ encryption: ENCRYPTED })).toEqual({ lost: [], changed: [] });
  });

  it('is made again where Secrets and ConfigMaps are gone, those that pods lack among them', async () => {
    const lost = [KEY, 'ConfigMap clusters/trust', `Secret ${NAMESPACE}/sa-signing-key`];
    const lacking = [`Secret ${NAMESPACE}/sa-signing-key`];
    expect(await check({ present: without(...lost), lacking, encryption: ENCRYPTED })).toEqual({ lost, changed: [] });
  });

  it('is left where a Secret is another, which is told', async () => {
    const changed = [`Secret ${NAMESPACE}/root-ca`];
    expect(await check({ present: withOther(`Secret ${NAMESPACE}/root-ca`) })).toEqual({ lost: [], changed });
  });

  it('is refused with another key than values of the snapshot are encrypted with', async () => {
    const refused = check({ present: withOther(KEY), encryption: ENCRYPTED });
    await expect(refused).rejects.toBeInstanceOf(RestoreRefusedError);
    await expect(refused).rejects.toThrow(`${KEY} has another key than when ${ID} was taken`);
  });

  it('may have another key where the snapshot holds nothing that is encrypted', async () => {
    expect(await check({ present: withOther(KEY) })).toEqual({ lost: [], changed: [KEY] });
  });

  it('is refused when pods lack what is not in it, with what to create first', async () => {
    const lost = `Secret ${NAMESPACE}/etcd-signer`;
    const refused = check({ present: without(lost), lacking: [`Secret ${NAMESPACE}/etcd-server-tls`] });
    await expect(refused).rejects.toMatchObject({
      name: 'RestoreRefusedError',
      message: expect.stringContaining(`pods of the control plane need Secret ${NAMESPACE}/etcd-server-tls`),
      remedy: expect.stringContaining(`Create ${lost} from the identity of ${ID} first`),
    });
  });

  it('is not enough when the control plane refers to something newer that is gone', async () => {
    const [cluster, ...others] = IDENTITY;
    const spec = { ...(cluster?.['spec'] as object), pullSecret: { name: 'newer' } };
    const refused = check({ present: [hostedCluster(spec), ...others] });
    await expect(refused).rejects.toBeInstanceOf(IdentityIncompleteError);
    await expect(refused).rejects.toThrow('Secret clusters/newer (spec.pullSecret)');
  });
});
