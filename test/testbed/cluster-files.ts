// The files that a management cluster's components read, written once before the first of them starts.
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { createAuthority, createSigningKey, issueCertificate, type CertificateRequest } from './certificates.ts';
import { containerdSocket } from './containerd.ts';
import { renderKubeconfig } from './kubeconfig.ts';
import type { ClusterNetwork } from './network.ts';

export const API_SERVER_PORT = 6443;

export interface ClusterFiles {
  readonly authorityCertificate: string;
  readonly authorityKey: string;
  /** `<name>.crt` and `<name>.key`. */
  certificate(name: 'kube-apiserver' | 'kubelet' | 'kubelet-client'): { certificate: string; key: string };
  readonly serviceAccountKey: string;
  readonly serviceAccountPublicKey: string;
  kubeconfig(user: KubeconfigUser): string;
  readonly kubeletConfiguration: string;
  readonly kubeProxyConfiguration: string;
  readonly corefile: string;
  readonly auditPolicy: string;
  readonly auditLog: string;
  log(component: string): string;
}

const KUBECONFIG_USERS = {
  admin: { commonName: 'lifeboat-testbed-admin', organizations: ['system:masters'] },
  'kube-controller-manager': { commonName: 'system:kube-controller-manager' },
  'kube-scheduler': { commonName: 'system:kube-scheduler' },
  'kube-proxy': { commonName: 'system:kube-proxy' },
  coredns: { commonName: 'lifeboat-testbed-coredns' },
} as const satisfies Record<string, CertificateRequest>;
type KubeconfigUser = keyof typeof KUBECONFIG_USERS | 'kubelet';

/** Where every file of a cluster lies. */
export function clusterFiles(stateDirectory: string): ClusterFiles {
  const pki = (name: string): string => join(stateDirectory, 'pki', name);
  const configuration = (name: string): string => join(stateDirectory, 'configuration', name);
  return {
    authorityCertificate: pki('ca.crt'),
    authorityKey: pki('ca.key'),
    certificate: (name) => ({ certificate: pki(`${name}.crt`), key: pki(`${name}.key`) }),
    serviceAccountKey: pki('service-account.key'),
    serviceAccountPublicKey: pki('service-account.pub'),
    kubeconfig: (user) =>
      user === 'admin' ? join(stateDirectory, 'admin.kubeconfig') : configuration(`${user}.kubeconfig`),
    kubeletConfiguration: configuration('kubelet.yaml'),
    kubeProxyConfiguration: configuration('kube-proxy.yaml'),
    corefile: configuration('Corefile'),
    auditPolicy: configuration('audit-policy.yaml'),
    auditLog: join(stateDirectory, 'logs', 'audit.log'),
    log: (component) => join(stateDirectory, 'logs', `${component}.log`),
  };
}

export interface ClusterFacts {
  readonly name: string;
  readonly stateDirectory: string;
  readonly network: ClusterNetwork;
}

const secretFile = { mode: 0o600 };

async function writeCertificates({ name, stateDirectory, network }: ClusterFacts): Promise<void> {
  const files = clusterFiles(stateDirectory);
  const authority = createAuthority(`lifeboat-testbed-${name}`);
  const writePair = async (request: CertificateRequest, paths: { certificate: string; key: string }): Promise<void> => {
    const pair = issueCertificate(authority, request);
    await writeFile(paths.certificate, pair.certificate);
    await writeFile(paths.key, pair.key, secretFile);
  };
  const writeKubeconfig = async (user: KubeconfigUser, request: CertificateRequest): Promise<void> => {
    const text = renderKubeconfig({
      cluster: name,
      user,
      server: `https://${network.nodeAddress}:${API_SERVER_PORT}`,
      certificateAuthority: authority.certificate,
      client: issueCertificate(authority, request),
    });
    await writeFile(files.kubeconfig(user), text, secretFile);
  };
  const serviceDomain = 'kubernetes.default.svc.cluster.local';
  const signing = createSigningKey();
  await Promise.all([
    writeFile(files.authorityCertificate, authority.certificate),
    writeFile(files.authorityKey, authority.key, secretFile),
    writeFile(files.serviceAccountKey, signing.key, secretFile),
    writeFile(files.serviceAccountPublicKey, signing.publicKey),
    writePair(
      {
        commonName: 'kube-apiserver',
        dnsNames: ['localhost', 'kubernetes', 'kubernetes.default', 'kubernetes.default.svc', serviceDomain],
        ipAddresses: ['127.0.0.1', network.nodeAddress, network.apiServiceAddress],
      },
      files.certificate('kube-apiserver'),
    ),
    writePair(
      { commonName: `system:node:${name}`, dnsNames: [name], ipAddresses: [network.nodeAddress] },
      files.certificate('kubelet'),
    ),
    writePair(
      { commonName: 'kube-apiserver-kubelet-client', organizations: ['system:masters'] },
      files.certificate('kubelet-client'),
    ),
    ...Object.entries(KUBECONFIG_USERS).map(([user, request]) => writeKubeconfig(user as KubeconfigUser, request)),
    writeKubeconfig('kubelet', { commonName: `system:node:${name}`, organizations: ['system:nodes'] }),
  ]);
}

function kubeletConfiguration({ stateDirectory, network }: ClusterFacts): object {
  const files = clusterFiles(stateDirectory);
  return {
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    containerRuntimeEndpoint: `unix://${containerdSocket(stateDirectory)}`,
    authentication: {
      anonymous: { enabled: false },
      webhook: { enabled: true },
      x509: { clientCAFile: files.authorityCertificate },
    },
    authorization: { mode: 'Webhook' },
    tlsCertFile: files.certificate('kubelet').certificate,
    tlsPrivateKeyFile: files.certificate('kubelet').key,
    clusterDNS: [network.nodeAddress],
    clusterDomain: 'cluster.local',
    // Pods ask only the cluster's DNS; the host's resolvers are nobody's business here.
    resolvConf: '',
    // Kubelets of several clusters would sweep each other's logs out of the default directory.
    podLogsDir: join(stateDirectory, 'pod-logs'),
    // The default is created below /usr.
    volumePluginDir: join(stateDirectory, 'volume-plugins'),
    failCgroupV1: false,
    failSwapOn: false,
    cgroupDriver: 'cgroupfs',
    cgroupsPerQOS: false,
    enforceNodeAllocatable: [],
    // The disk is the host's: its being nearly full is no reason to evict pods or remove images.
    evictionHard: {
      'memory.available': '0%',
      'nodefs.available': '0%',
      'nodefs.inodesFree': '0%',
      'imagefs.available': '0%',
    },
    imageGCHighThresholdPercent: 100,
    localStorageCapacityIsolation: false,
    // kubelet may not lower its score on every machine, and containers are told not to.
    oomScoreAdj: 0,
    syncFrequency: '10s',
  };
}

function kubeProxyConfiguration({ name, stateDirectory, network }: ClusterFacts): object {
  return {
    apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
    kind: 'KubeProxyConfiguration',
    mode: 'iptables',
    hostnameOverride: name,
    clientConnection: { kubeconfig: clusterFiles(stateDirectory).kubeconfig('kube-proxy') },
    clusterCIDR: network.podSubnet,
    // The limits are the host's, and may not be writable.
    conntrack: { maxPerCore: 0, min: 0, tcpEstablishedTimeout: '0s', tcpCloseWaitTimeout: '0s' },
    iptables: { minSyncPeriod: '100ms', localhostNodePorts: false },
    oomScoreAdj: 0,
  };
}

function corefile({ stateDirectory, network }: ClusterFacts): string {
  const kubeconfig = clusterFiles(stateDirectory).kubeconfig('coredns');
  return `.:53 {
  bind ${network.nodeAddress}
  errors
  ready ${network.nodeAddress}:8181
  kubernetes cluster.local in-addr.arpa {
    kubeconfig ${kubeconfig}
    pods verified
    ttl 1
  }
}
`;
}

const auditPolicy = {
  apiVersion: 'audit.k8s.io/v1',
  kind: 'Policy',
  omitStages: ['RequestReceived'],
  // Who did what to which object, never the object.
  rules: [{ level: 'Metadata' }],
};

/** Writes certificates, kubeconfigs and configuration of a cluster. */
export async function writeClusterFiles(facts: ClusterFacts): Promise<void> {
  const files = clusterFiles(facts.stateDirectory);
  await Promise.all(
    ['pki', 'configuration'].map((name) => mkdir(join(facts.stateDirectory, name), { recursive: true })),
  );
  await Promise.all([
    writeCertificates(facts),
    writeFile(files.kubeletConfiguration, stringify(kubeletConfiguration(facts))),
    writeFile(files.kubeProxyConfiguration, stringify(kubeProxyConfiguration(facts))),
    writeFile(files.corefile, corefile(facts)),
    writeFile(files.auditPolicy, stringify(auditPolicy)),
  ]);
}
