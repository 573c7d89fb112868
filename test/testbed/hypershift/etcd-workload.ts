import { ETCD_IMAGES } from '../images.ts';
import type { KubeApi } from './api.ts';
import { converge, ownedMetadata, type Holdings } from './converge.ts';
import { etcdInit } from './etcd-init.ts';
import type { Pki } from './pki.ts';
import { podTemplate } from './pod-template.ts';
import type { EtcdVersion } from '../etcd.ts';
import {
  SERVICE,
  STATEFUL_SET,
  type ControlPlaneObject,
  type ServiceObject,
  type StatefulSetObject,
} from './resources.ts';
import { etcdLeaves, type EtcdNames } from './signers.ts';

const CLIENT_PORT = 2379;
const PEER_PORT = 2380;
export const ETCD_METRICS_PORT = 2382;
const QUOTA_BYTES = 8 * 1024 ** 3;
const DEFAULT_VOLUME_SIZE = '8Gi';

interface EtcdPlan {
  readonly names: EtcdNames;
  readonly members: number;
  readonly version: EtcdVersion;
  readonly restoreSnapshotUrls?: readonly string[] | undefined;
}

function service(
  owner: ControlPlaneObject,
  namespace: string,
  name: string,
  plan: EtcdPlan,
  headless: boolean,
): ServiceObject {
  const ports = headless
    ? [
        { name: 'peer', port: PEER_PORT },
        { name: 'etcd-client', port: CLIENT_PORT },
      ]
    : [
        { name: 'etcd-client', port: CLIENT_PORT },
        { name: 'metrics', port: ETCD_METRICS_PORT },
      ];
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: ownedMetadata(owner, namespace, name),
    spec: {
      selector: { app: plan.names.statefulSet },
      ports,
      ...(headless ? { clusterIP: 'None', publishNotReadyAddresses: true } : {}),
    },
  };
}

function etcdCommand({ names, members }: EtcdPlan, namespace: string): string[] {
  const peerUrl = (pod: string): string => `https://${pod}.${names.discoveryService}.${namespace}.svc:${PEER_PORT}`;
  const pods = Array.from({ length: members }, (_, index) => `${names.statefulSet}-${index}`);
  return [
    'etcd',
    '--name=$(POD_NAME)',
    '--data-dir=/var/lib/data',
    `--initial-advertise-peer-urls=${peerUrl('$(POD_NAME)')}`,
    `--listen-peer-urls=https://$(POD_IP):${PEER_PORT}`,
    `--listen-client-urls=https://$(POD_IP):${CLIENT_PORT},https://localhost:${CLIENT_PORT}`,
    `--advertise-client-urls=https://$(POD_NAME).${names.clientService}.${namespace}.svc:${CLIENT_PORT}`,
    `--listen-metrics-urls=http://0.0.0.0:${ETCD_METRICS_PORT}`,
    '--initial-cluster-token=etcd-cluster',
    `--initial-cluster=${pods.map((pod) => `${pod}=${peerUrl(pod)}`).join(',')}`,
    '--initial-cluster-state=new',
    `--quota-backend-bytes=${QUOTA_BYTES}`,
    '--snapshot-count=10000',
    '--experimental-initial-corrupt-check=true',
    '--peer-client-cert-auth=true',
    '--peer-cert-file=/etc/etcd/tls/peer/peer.crt',
    '--peer-key-file=/etc/etcd/tls/peer/peer.key',
    '--peer-trusted-ca-file=/etc/etcd/tls/etcd-ca/ca.crt',
    '--client-cert-auth=true',
    '--cert-file=/etc/etcd/tls/server/server.crt',
    '--key-file=/etc/etcd/tls/server/server.key',
    '--trusted-ca-file=/etc/etcd/tls/etcd-ca/ca.crt',
  ];
}

function statefulSet(
  owner: ControlPlaneObject,
  namespace: string,
  plan: EtcdPlan,
  configHash: string,
): StatefulSetObject {
  const { names, members } = plan;
  const storage = owner.spec.etcd?.managed?.storage.persistentVolume;
  const image = ETCD_IMAGES[plan.version];
  const [restoreUrl] = plan.restoreSnapshotUrls ?? [];
  const template = podTemplate({
    component: names.statefulSet,
    image,
    ...(restoreUrl === undefined ? {} : { init: etcdInit(image, restoreUrl) }),
    command: etcdCommand(plan, namespace),
    mounts: {
      secrets: {
        [names.serverSecret]: '/etc/etcd/tls/server',
        [names.peerSecret]: '/etc/etcd/tls/peer',
        'etcd-client-tls': '/etc/etcd/tls/client',
      },
      configMaps: { 'etcd-ca': '/etc/etcd/tls/etcd-ca' },
    },
    extraVolumeMounts: [{ name: 'data', mountPath: '/var/lib' }],
    ports: { client: CLIENT_PORT, peer: PEER_PORT, server: ETCD_METRICS_PORT },
    // Never restarted by a probe: a test that freezes a member wants it frozen.
    probe: { path: '/readyz', port: ETCD_METRICS_PORT, scheme: 'HTTP', restarts: false },
    configHash,
  });
  return {
    apiVersion: 'apps/v1',
    kind: 'StatefulSet',
    metadata: ownedMetadata(owner, namespace, names.statefulSet),
    spec: {
      replicas: members,
      serviceName: names.discoveryService,
      podManagementPolicy: 'Parallel',
      selector: { matchLabels: { app: names.statefulSet } },
      template,
      volumeClaimTemplates: [
        {
          metadata: { name: 'data' },
          spec: {
            accessModes: ['ReadWriteOnce'],
            resources: { requests: { storage: storage?.size ?? DEFAULT_VOLUME_SIZE } },
            ...(storage?.storageClassName === undefined ? {} : { storageClassName: storage.storageClassName }),
          },
        },
      ],
    },
  };
}

/** Makes or puts back one etcd with its Services and certificates; returns its StatefulSet. */
export async function reconcileEtcd(
  api: KubeApi,
  { owner, namespace, holdings, pki }: { owner: ControlPlaneObject; namespace: string; holdings: Holdings; pki: Pki },
  plan: EtcdPlan,
): Promise<StatefulSetObject> {
  const { names } = plan;
  await converge(api, SERVICE, holdings.services, service(owner, namespace, names.clientService, plan, false));
  await converge(api, SERVICE, holdings.services, service(owner, namespace, names.discoveryService, plan, true));
  for (const leaf of etcdLeaves(names, namespace)) await pki.ensureLeaf(leaf);
  const configHash = pki.hashOf([names.serverSecret, names.peerSecret, 'etcd-client-tls'], ['etcd-ca']);
  return converge(api, STATEFUL_SET, holdings.statefulSets, statefulSet(owner, namespace, plan, configHash));
}
