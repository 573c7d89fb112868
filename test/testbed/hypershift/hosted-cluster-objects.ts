import { randomBytes, randomUUID } from 'node:crypto';
import { createAuthority, createSigningKey, issueCertificate } from '../certificates.ts';
import type { EtcdVersion } from '../etcd.ts';
import { ENCRYPTION_KEY } from './encryption.ts';
import { RELEASE_IMAGES } from './release.ts';
import {
  CONFIG_MAP,
  HOSTED_CLUSTER,
  NODE_POOL,
  SECRET,
  type ConfigMapObject,
  type ControlPlaneObject,
  type KubeObject,
  type NodePoolObject,
  type SecretObject,
} from './resources.ts';

export interface HostedClusterPlan {
  readonly namespace: string;
  readonly name: string;
  readonly members: 1 | 3;
  readonly etcdVersion: EtcdVersion;
  /** Encrypts Secrets at rest with a key of its own. */
  readonly encryption?: 'aescbc';
  /** Default: 1, of two machines each. */
  readonly nodePools?: number;
  /** Fixed host name of the API server; without one it is known by the address of its Service. */
  readonly apiHostName?: string;
}

/** What a HostedCluster is made of, everything it refers to included: by reference is how a backup has to find it. */
export interface HostedClusterObjects {
  readonly secrets: readonly SecretObject[];
  readonly configMaps: readonly ConfigMapObject[];
  readonly hostedCluster: ControlPlaneObject;
  readonly nodePools: readonly NodePoolObject[];
}

function secret(namespace: string, name: string, data: Record<string, string | Buffer>, type = 'Opaque'): SecretObject {
  const encoded = Object.entries(data).map(([key, value]) => [key, Buffer.from(value).toString('base64')]);
  const { apiVersion, kind } = SECRET;
  return {
    apiVersion,
    kind,
    metadata: { name, namespace },
    type,
    data: Object.fromEntries(encoded) as Record<string, string>,
  };
}

function configMap(namespace: string, name: string, data: Record<string, string>): ConfigMapObject {
  const { apiVersion, kind } = CONFIG_MAP;
  return { apiVersion, kind, metadata: { name, namespace }, data };
}

function referencedSecrets({ namespace, name, encryption }: HostedClusterPlan): SecretObject[] {
  const password = (): string => randomBytes(24).toString('base64url');
  const serving = issueCertificate(createAuthority(`${name}-named`), {
    commonName: name,
    dnsNames: [`api.${name}.example`],
  });
  const auth = Buffer.from(`puller:${password()}`).toString('base64');
  const pull = JSON.stringify({ auths: { 'registry.example': { auth } } });
  return [
    secret(namespace, `${name}-pull-secret`, { '.dockerconfigjson': pull }, 'kubernetes.io/dockerconfigjson'),
    secret(namespace, `${name}-ssh-key`, { 'id_rsa.pub': `ssh-ed25519 ${randomBytes(51).toString('base64')} core` }),
    secret(namespace, `${name}-signing-key`, { key: createSigningKey().key }),
    secret(namespace, `${name}-audit-webhook`, { 'webhook-kubeconfig': `token: ${password()}` }),
    secret(namespace, `${name}-htpasswd`, { htpasswd: `admin:$2y$05$${password()}` }),
    secret(namespace, `${name}-openid-client`, { clientSecret: password() }),
    secret(
      namespace,
      `${name}-named-certificate`,
      { 'tls.crt': serving.certificate, 'tls.key': serving.key },
      'kubernetes.io/tls',
    ),
    ...(encryption === undefined
      ? []
      : [secret(namespace, `${name}-etcd-encryption-key`, { [ENCRYPTION_KEY]: randomBytes(32) })]),
  ];
}

function configuration(name: string): Record<string, unknown> {
  return {
    apiServer: {
      servingCerts: {
        namedCertificates: [
          { names: [`api.${name}.example`], servingCertificate: { name: `${name}-named-certificate` } },
        ],
      },
    },
    oauth: {
      identityProviders: [
        {
          name: 'local',
          mappingMethod: 'claim',
          type: 'HTPasswd',
          htpasswd: { fileData: { name: `${name}-htpasswd` } },
        },
        {
          name: 'company',
          mappingMethod: 'claim',
          type: 'OpenID',
          openID: {
            clientID: name,
            clientSecret: { name: `${name}-openid-client` },
            ca: { name: `${name}-openid-ca` },
            issuer: 'https://login.example',
          },
        },
      ],
    },
  };
}

function hostedCluster(plan: HostedClusterPlan): ControlPlaneObject {
  const { namespace, name, members, etcdVersion, encryption, apiHostName } = plan;
  const { apiVersion, kind } = HOSTED_CLUSTER;
  const infraID = `${name}-${randomBytes(3).toString('hex').slice(0, 5)}`;
  const hostname = apiHostName === undefined ? {} : { loadBalancer: { hostname: apiHostName } };
  const spec = {
    infraID,
    clusterID: randomUUID(),
    issuerURL: `https://oidc.example/${infraID}`,
    release: { image: RELEASE_IMAGES[etcdVersion] },
    controllerAvailabilityPolicy: members === 3 ? ('HighlyAvailable' as const) : ('SingleReplica' as const),
    platform: { type: 'AWS', aws: { region: 'us-east-1', endpointAccess: 'Public' } },
    services: [{ service: 'APIServer', servicePublishingStrategy: { type: 'LoadBalancer', ...hostname } }],
    pullSecret: { name: `${name}-pull-secret` },
    sshKey: { name: `${name}-ssh-key` },
    serviceAccountSigningKey: { name: `${name}-signing-key` },
    auditWebhook: { name: `${name}-audit-webhook` },
    additionalTrustBundle: { name: `${name}-trust-bundle` },
    configuration: configuration(name),
    ...(encryption === undefined
      ? {}
      : { secretEncryption: { type: encryption, aescbc: { activeKey: { name: `${name}-etcd-encryption-key` } } } }),
  };
  return { apiVersion, kind, metadata: { name, namespace }, spec };
}

function nodePool({ namespace, name, etcdVersion }: HostedClusterPlan, index: number): NodePoolObject {
  const pool = `${name}-pool-${index}`;
  const { apiVersion, kind } = NODE_POOL;
  const spec = {
    clusterName: name,
    replicas: 2,
    release: { image: RELEASE_IMAGES[etcdVersion] },
    config: [{ name: `${pool}-config` }],
    tuningConfig: [{ name: `${pool}-tuning` }],
    management: { upgradeType: 'Replace', autoRepair: true },
    platform: { type: 'AWS', aws: { instanceType: 'm6i.large', instanceProfile: `${name}-worker` } },
  };
  return { apiVersion, kind, metadata: { name: pool, namespace }, spec };
}

/** What the real command line puts on whatever it creates along with a HostedCluster, and destroys with it. */
export function createdWithLabels({ spec }: ControlPlaneObject): Record<string, string> {
  return {
    'hypershift.openshift.io/safe-to-delete-with-cluster': 'true',
    'hypershift.openshift.io/auto-created-for-infra': spec.infraID ?? '',
  };
}

function labelled<T extends KubeObject>(objects: readonly T[], labels: Record<string, string>): T[] {
  return objects.map((object) => ({ ...object, metadata: { ...object.metadata, labels } }));
}

/** Everything that {@link HostedClusterPlan} asks for, with fresh secrets. */
export function planHostedCluster(plan: HostedClusterPlan): HostedClusterObjects {
  const { namespace, name, nodePools = 1 } = plan;
  const pools = Array.from({ length: nodePools }, (_, index) => nodePool(plan, index));
  const cluster = hostedCluster(plan);
  const configMaps = [
    configMap(namespace, `${name}-trust-bundle`, { 'ca-bundle.crt': createAuthority('company').certificate }),
    configMap(namespace, `${name}-openid-ca`, { 'ca.crt': createAuthority('login').certificate }),
    ...pools.flatMap(({ metadata }) => [
      configMap(namespace, `${metadata.name}-config`, { config: `# machine configuration of ${metadata.name}\n` }),
      configMap(namespace, `${metadata.name}-tuning`, { tuning: `# tuning of ${metadata.name}\n` }),
    ]),
  ];
  const labels = createdWithLabels(cluster);
  return {
    secrets: labelled(referencedSecrets(plan), labels),
    configMaps: labelled(configMaps, labels),
    hostedCluster: cluster,
    nodePools: pools,
  };
}
