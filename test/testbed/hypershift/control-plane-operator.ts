import type { KubeApi } from './api.ts';
import { API_PORT, reconcileControlPlane } from './control-plane-workload.ts';
import { converge, ownedMetadata, type Holdings } from './converge.ts';
import { encryptionConfiguration } from './encryption.ts';
import { reconcileEtcd } from './etcd-workload.ts';
import { encode, Pki, secretText } from './pki.ts';
import { parseRelease } from './release.ts';
import { SECRET, SERVICE, type ControlPlaneObject, type SecretObject } from './resources.ts';
import { controlPlaneLeaves, etcdNames } from './signers.ts';

/** Host names under which workers and people know the API server. */
function publishedApiNames({ spec }: ControlPlaneObject): string[] {
  const strategy = spec.services.find(({ service }) => service === 'APIServer')?.servicePublishingStrategy;
  return [strategy?.loadBalancer?.hostname, strategy?.route?.hostname].filter((name) => name !== undefined);
}

/** How many members one etcd of the control plane has. */
export function memberCount({ spec }: ControlPlaneObject): number {
  return spec.controllerAvailabilityPolicy === 'SingleReplica' ? 1 : 3;
}

/** Copies a Secret of the HostedCluster's namespace, as the real operator regenerates such copies from the HostedCluster. */
async function copyPullSecret(
  api: KubeApi,
  hostedCluster: ControlPlaneObject,
  owned: SecretObject,
  holdings: Holdings,
): Promise<void> {
  const source = await api.get(SECRET, hostedCluster.metadata.namespace, hostedCluster.spec.pullSecret.name);
  if (source === undefined) throw new Error(`the pull secret ${hostedCluster.spec.pullSecret.name} does not exist`);
  const { type, data } = source;
  await converge(api, SECRET, holdings.secrets, {
    ...owned,
    ...(type === undefined ? {} : { type }),
    ...(data === undefined ? {} : { data }),
  });
}

async function ownSigningKey(api: KubeApi, { metadata, spec }: ControlPlaneObject): Promise<string | undefined> {
  if (spec.serviceAccountSigningKey === undefined) return undefined;
  const { name } = spec.serviceAccountSigningKey;
  const key = secretText(await api.get(SECRET, metadata.namespace, name), 'key');
  if (key === '') throw new Error(`Secret ${name} has no "key" to sign service-account tokens with`);
  return key;
}

/**
 * Reconciles a HostedControlPlane into its namespace: what the real control-plane-operator does. Everything written by
 * hand to what it manages is put back; `holdings` follow along.
 */
export async function reconcileHostedControlPlane(
  api: KubeApi,
  hostedCluster: ControlPlaneObject,
  owner: ControlPlaneObject,
  holdings: Holdings,
): Promise<void> {
  const namespace = owner.metadata.namespace ?? '';
  const pki = new Pki(api, owner, holdings, namespace);
  await pki.ensureIdentity(await ownSigningKey(api, hostedCluster));
  const pullSecret = { apiVersion: 'v1', kind: 'Secret', metadata: ownedMetadata(owner, namespace, 'pull-secret') };
  await copyPullSecret(api, hostedCluster, pullSecret, holdings);

  const apiService = await converge(api, SERVICE, holdings.services, {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: ownedMetadata(owner, namespace, 'kube-apiserver'),
    spec: { selector: { app: 'kube-apiserver' }, ports: [{ name: 'client', port: API_PORT }] },
  });
  const apiAddress = apiService.spec?.clusterIP ?? '';
  const apiNames = publishedApiNames(owner);
  const leaves = controlPlaneLeaves(namespace, { apiAddresses: [apiAddress, '172.31.0.1'], apiNames });
  for (const leaf of leaves) await pki.ensureLeaf(leaf);

  const inside = `https://kube-apiserver:${API_PORT}`;
  for (const component of ['kube-controller-manager', 'kube-scheduler']) {
    const kubeconfig = pki.kubeconfig(`${component}-client`, component, inside);
    await pki.putSecret(`${component}-kubeconfig`, { kubeconfig });
  }
  const outside = `https://${apiNames[0] ?? apiAddress}:${API_PORT}`;
  await pki.putSecret('admin-kubeconfig', { kubeconfig: pki.kubeconfig('system-admin-client', 'admin', outside) });

  const encryption = await encryptionConfiguration(api, hostedCluster);
  if (encryption !== undefined) await pki.putSecret('kas-secret-encryption-config', { 'config.yaml': encryption });

  const { etcdVersion: version } = parseRelease(owner.spec.release.image);
  const context = { owner, namespace, holdings, pki };
  const restoreSnapshotUrls = owner.spec.etcd?.managed?.storage.restoreSnapshotURL;
  await reconcileEtcd(api, context, { names: etcdNames(), members: memberCount(owner), version, restoreSnapshotUrls });
  const shards = owner.spec.etcd?.managed?.shards ?? [];
  for (const shard of shards) {
    const members = shard.replicas ?? memberCount(owner);
    await reconcileEtcd(api, context, { names: etcdNames(shard.name), members, version });
  }
  const etcdOverrides = shards.flatMap(({ name, resourcePrefixes = [] }) =>
    resourcePrefixes.map((resource) => `${resource}#https://${etcdNames(name).clientService}:2379`),
  );
  await reconcileControlPlane(api, { ...context, apiAddress, encrypted: encryption !== undefined, etcdOverrides });
}

/** What the HostedCluster's namespace gets for people: `<name>-admin-kubeconfig` and `<name>-kubeadmin-password`. */
export function publishedSecrets(hostedCluster: ControlPlaneObject, holdings: Holdings): SecretObject[] {
  const { name, namespace = '' } = hostedCluster.metadata;
  return [
    { from: 'admin-kubeconfig', key: 'kubeconfig' },
    { from: 'kubeadmin-password', key: 'password' },
  ].flatMap(({ from, key }) => {
    const text = secretText(holdings.secrets.get(from), key);
    if (text === '') return [];
    const metadata = ownedMetadata(hostedCluster, namespace, `${name}-${from}`);
    return [{ apiVersion: 'v1', kind: 'Secret', metadata, data: { [key]: encode(text) } }];
  });
}
