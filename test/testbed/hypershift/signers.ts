import { createHash } from 'node:crypto';
import type { CertificateRequest } from '../certificates.ts';

/** Certificate authorities of a control plane: created once, reused as long as their Secret has its key. */
export const SIGNERS = [
  'root-ca',
  'etcd-signer',
  'etcd-metrics-signer',
  'cluster-signer-ca',
  'kube-apiserver-to-kubelet-signer',
  'kas-aggregator-client-signer',
  'kube-control-plane-signer',
  'system-admin-signer',
  'hcco-signer',
  'kas-bootstrap-container-signer',
  'konnectivity-signer',
] as const;
export type SignerName = (typeof SIGNERS)[number];

/** Signers whose client certificates the hosted API server accepts. */
export const CLIENT_SIGNERS: readonly SignerName[] = [
  'cluster-signer-ca',
  'kube-apiserver-to-kubelet-signer',
  'kube-control-plane-signer',
  'system-admin-signer',
  'hcco-signer',
  'kas-bootstrap-container-signer',
];

/** A certificate that is issued again whenever its signer or its subject changes. */
export interface LeafPlan {
  readonly secret: string;
  readonly signer: SignerName;
  readonly certificateKey: string;
  readonly privateKeyKey: string;
  readonly subject: CertificateRequest;
}

/** Says for what a leaf was issued, so that one of a former signer or address is noticed. */
export function issuedFor(plan: LeafPlan, signerCertificate: string): string {
  return createHash('sha256').update(signerCertificate).update(JSON.stringify(plan.subject)).digest('hex').slice(0, 16);
}

function tlsPair(secret: string, signer: SignerName, subject: CertificateRequest): LeafPlan {
  return { secret, signer, certificateKey: 'tls.crt', privateKeyKey: 'tls.key', subject };
}

/** Names of one etcd: the control plane's own, or one of its shards. */
export interface EtcdNames {
  readonly statefulSet: string;
  readonly clientService: string;
  readonly discoveryService: string;
  readonly serverSecret: string;
  readonly peerSecret: string;
}

export function etcdNames(shard?: string): EtcdNames {
  const suffix = shard === undefined ? '' : `-${shard}`;
  return {
    statefulSet: `etcd${suffix}`,
    clientService: `etcd-client${suffix}`,
    discoveryService: `etcd-discovery${suffix}`,
    serverSecret: `etcd${suffix}-server-tls`,
    peerSecret: `etcd${suffix}-peer-tls`,
  };
}

export function etcdLeaves(names: EtcdNames, namespace: string): LeafPlan[] {
  const discovery = [
    `*.${names.discoveryService}.${namespace}.svc`,
    `*.${names.discoveryService}.${namespace}.svc.cluster.local`,
  ];
  const client = ['', `.${namespace}.svc`, `.${namespace}.svc.cluster.local`].map((end) => names.clientService + end);
  return [
    {
      secret: names.serverSecret,
      signer: 'etcd-signer',
      certificateKey: 'server.crt',
      privateKeyKey: 'server.key',
      subject: {
        commonName: 'etcd-server',
        organizations: ['kubernetes'],
        dnsNames: [...client, ...discovery, 'localhost'],
      },
    },
    {
      secret: names.peerSecret,
      signer: 'etcd-signer',
      certificateKey: 'peer.crt',
      privateKeyKey: 'peer.key',
      subject: {
        commonName: 'etcd-discovery',
        organizations: ['kubernetes'],
        dnsNames: discovery,
        ipAddresses: ['127.0.0.1'],
      },
    },
  ];
}

/** Every leaf of a control plane but those of its etcds. `apiNames` are further host names of the API server. */
export function controlPlaneLeaves(
  namespace: string,
  { apiAddresses, apiNames }: { apiAddresses: readonly string[]; apiNames: readonly string[] },
): LeafPlan[] {
  const etcdClient = { certificateKey: 'etcd-client.crt', privateKeyKey: 'etcd-client.key' };
  return [
    {
      secret: 'etcd-client-tls',
      signer: 'etcd-signer',
      ...etcdClient,
      subject: { commonName: 'etcd-client', organizations: ['kubernetes'] },
    },
    {
      secret: 'etcd-metrics-client-tls',
      signer: 'etcd-metrics-signer',
      ...etcdClient,
      subject: { commonName: 'etcd-metrics-client', organizations: ['kubernetes'] },
    },
    tlsPair('kas-server-crt', 'root-ca', {
      commonName: 'kubernetes',
      dnsNames: [
        'localhost',
        'kubernetes',
        'kubernetes.default',
        'kubernetes.default.svc',
        'kubernetes.default.svc.cluster.local',
        'kube-apiserver',
        `kube-apiserver.${namespace}.svc`,
        `kube-apiserver.${namespace}.svc.cluster.local`,
        ...apiNames,
      ],
      ipAddresses: ['127.0.0.1', ...apiAddresses],
    }),
    tlsPair('kas-kubelet-client-crt', 'kube-apiserver-to-kubelet-signer', {
      commonName: 'system:kube-apiserver',
      organizations: ['kube-master'],
    }),
    tlsPair('kas-aggregator-crt', 'kas-aggregator-client-signer', { commonName: 'system:openshift-aggregator' }),
    tlsPair('kube-controller-manager-client', 'kube-control-plane-signer', {
      commonName: 'system:kube-controller-manager',
    }),
    tlsPair('kube-scheduler-client', 'kube-control-plane-signer', { commonName: 'system:kube-scheduler' }),
    tlsPair('system-admin-client', 'system-admin-signer', {
      commonName: 'system:admin',
      organizations: ['system:masters'],
    }),
  ];
}
