import { formatControlPlaneName, type ControlPlaneName } from '../../domain/control-plane.ts';
import { IdentityIncompleteError } from '../../domain/errors.ts';
import type { KubernetesObject } from '../../domain/kubernetes-object.ts';
import type { KubeApi } from '../../kube/kube-api.ts';
import { captureClusterApiObjects } from './cluster-api.ts';
import { controlPlaneNamespace, getHostedCluster, listNodePools, parseHostedCluster } from './hosted-cluster.ts';
import { findReferences, type ObjectReference } from './references.ts';
import type { FoundIdentity, MissingObject } from '../platform.ts';

/**
 * Created once and reused while they exist: without them workers are locked out, tokens become void, or a new etcd
 * trusts nobody. Leaf certificates are signed again by the operator and are left out.
 */
const REQUIRED_PKI = [
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
/** Absent on some versions, or removed on purpose (kubeadmin), and kept when there. */
const OPTIONAL_PKI = [
  'hcco-signer',
  'kas-bootstrap-container-signer',
  'kubeadmin-password',
  'kas-secret-encryption-config',
];

/** The identity of a control plane; IdentityIncompleteError names all that is missing of it. */
export async function captureIdentity(api: KubeApi, name: ControlPlaneName): Promise<KubernetesObject[]> {
  const { objects, missing } = await findIdentity(api, name);
  if (missing.length === 0) return [...objects];
  const described = missing.map(({ object, why }) => `${object} (${why})`).sort();
  throw new IdentityIncompleteError(
    `${formatControlPlaneName(name)} can't be restored without what is missing: ${described.join('; ')}`,
    { remedy: 'Create the objects or remove the references to them, then take the backup again.' },
  );
}

/** Custom resources, all they refer to, PKI, and Cluster API objects when there are any, as far as they are there. */
export async function findIdentity(api: KubeApi, name: ControlPlaneName): Promise<FoundIdentity> {
  const hostedCluster = await getHostedCluster(api, name);
  const nodePools = await listNodePools(api, name);
  const namespace = controlPlaneNamespace(name);

  const missing: MissingObject[] = [];
  const fetch = async (kind: ObjectReference['kind'], objectNamespace: string, objectName: string, why?: string) => {
    const found = await api.get({ apiVersion: 'v1', kind, namespace: objectNamespace, name: objectName });
    if (found === undefined && why !== undefined) {
      missing.push({ object: `${kind} ${objectNamespace}/${objectName}`, why });
    }
    return found;
  };

  const references = [...referencesOf(hostedCluster), ...nodePools.flatMap(referencesOfNodePool)];
  const referenced = new Map(references.map((reference) => [`${reference.kind}/${reference.name}`, reference]));
  const objects = await Promise.all([
    ...[...referenced.values()].map(({ kind, name: referred, field }) => fetch(kind, name.namespace, referred, field)),
    ...REQUIRED_PKI.map((secret) => fetch('Secret', namespace, secret, 'key of the control plane')),
    ...OPTIONAL_PKI.map((secret) => fetch('Secret', namespace, secret)),
  ]);
  const clusterApiObjects = await captureClusterApiObjects(api, namespace, missing);
  const found = objects.filter((object) => object !== undefined);
  return { objects: [hostedCluster, ...nodePools, ...found, ...clusterApiObjects], missing };
}

/** Names of the Secrets of an identity that values in the datastore are encrypted with, those of a rotation included. */
export function encryptionKeysOf(identity: readonly KubernetesObject[]): string[] {
  return identity
    .filter(({ kind }) => kind === 'HostedCluster')
    .flatMap((object) => {
      const { metadata, spec, status } = parseHostedCluster(object);
      const keys = [
        ...findReferences(spec.secretEncryption, 'spec.secretEncryption'),
        ...findReferences(status?.secretEncryption, 'status.secretEncryption'),
      ];
      return keys.map(({ kind, name }) => `${kind} ${metadata.namespace}/${name}`);
    });
}

function referencesOf(object: KubernetesObject): ObjectReference[] {
  const { spec, status } = parseHostedCluster(object);
  const direct = [
    { kind: 'Secret', field: 'pullSecret' },
    { kind: 'Secret', field: 'sshKey' },
    { kind: 'Secret', field: 'serviceAccountSigningKey' },
    { kind: 'Secret', field: 'auditWebhook' },
    { kind: 'ConfigMap', field: 'additionalTrustBundle' },
  ] as const;
  return [
    ...direct.flatMap(({ kind, field }) => {
      const name = spec[field]?.name;
      return name === undefined || name === '' ? [] : [{ kind, name, field: `spec.${field}` }];
    }),
    ...findReferences(spec.secretEncryption, 'spec.secretEncryption'),
    ...findReferences(spec.configuration, 'spec.configuration'),
    // During a key rotation the old key is named only here, and it is still needed to read the data.
    ...findReferences(status?.secretEncryption, 'status.secretEncryption'),
  ];
}

function referencesOfNodePool(nodePool: KubernetesObject): ObjectReference[] {
  const spec = nodePool['spec'] as Partial<Record<'config' | 'tuningConfig', { name: string }[]>>;
  return (['config', 'tuningConfig'] as const).flatMap((field) =>
    (spec[field] ?? []).map(({ name }) => ({
      kind: 'ConfigMap' as const,
      name,
      field: `NodePool ${nodePool.metadata.name} spec.${field}`,
    })),
  );
}
