// The command lines of a management cluster's components. Each follows from the cluster's state alone, so that a
// component can be started again by whoever attached to the cluster.
import { join } from 'node:path';
import { programPath } from './enclosure.ts';
import { API_SERVER_PORT, clusterFiles, type ClusterFacts } from './cluster-files.ts';

type KubernetesComponent =
  'etcd' | 'kube-apiserver' | 'kube-controller-manager' | 'kube-scheduler' | 'kubelet' | 'kube-proxy';
/** What runs directly in a cluster's enclosure, containerd excepted. */
export type ComponentName = KubernetesComponent | 'coredns';

type Flags = Readonly<Record<string, string | number | boolean>>;

const ETCD_CLIENT = 'http://127.0.0.1:2379';

function etcdFlags({ stateDirectory }: ClusterFacts): Flags {
  return {
    name: 'management',
    'data-dir': join(stateDirectory, 'etcd'),
    'listen-client-urls': ETCD_CLIENT,
    'advertise-client-urls': ETCD_CLIENT,
    'listen-peer-urls': 'http://127.0.0.1:2380',
    // One member, thrown away with the cluster: no election to wait for and nothing to keep over a power failure.
    'heartbeat-interval': 10,
    'election-timeout': 100,
    'unsafe-no-fsync': true,
  };
}

function apiServerFlags({ stateDirectory, network }: ClusterFacts): Flags {
  const files = clusterFiles(stateDirectory);
  return {
    'etcd-servers': ETCD_CLIENT,
    'advertise-address': network.nodeAddress,
    'secure-port': API_SERVER_PORT,
    'service-cluster-ip-range': network.serviceSubnet,
    'authorization-mode': 'Node,RBAC',
    'enable-admission-plugins': 'NodeRestriction',
    'allow-privileged': true,
    'client-ca-file': files.authorityCertificate,
    'tls-cert-file': files.certificate('kube-apiserver').certificate,
    'tls-private-key-file': files.certificate('kube-apiserver').key,
    'kubelet-certificate-authority': files.authorityCertificate,
    'kubelet-client-certificate': files.certificate('kubelet-client').certificate,
    'kubelet-client-key': files.certificate('kubelet-client').key,
    'kubelet-preferred-address-types': 'InternalIP',
    'service-account-issuer': 'https://kubernetes.default.svc.cluster.local',
    'service-account-key-file': files.serviceAccountPublicKey,
    'service-account-signing-key-file': files.serviceAccountKey,
    'audit-policy-file': files.auditPolicy,
    'audit-log-path': files.auditLog,
    // Files of 100 MB; without a number all of them would stay.
    'audit-log-maxbackup': 3,
  };
}

function controllerManagerFlags({ stateDirectory }: ClusterFacts): Flags {
  const files = clusterFiles(stateDirectory);
  return {
    kubeconfig: files.kubeconfig('kube-controller-manager'),
    'leader-elect': false,
    'bind-address': '127.0.0.1',
    'use-service-account-credentials': true,
    'root-ca-file': files.authorityCertificate,
    'service-account-private-key-file': files.serviceAccountKey,
    'cluster-signing-cert-file': files.authorityCertificate,
    'cluster-signing-key-file': files.authorityKey,
    'enable-hostpath-provisioner': true,
    // Every controller first fetches a token of its own; at the default rate that alone takes five seconds.
    'kube-api-qps': 500,
    'kube-api-burst': 1000,
    'flex-volume-plugin-dir': join(stateDirectory, 'volume-plugins'),
  };
}

function schedulerFlags({ stateDirectory }: ClusterFacts): Flags {
  return {
    kubeconfig: clusterFiles(stateDirectory).kubeconfig('kube-scheduler'),
    'leader-elect': false,
    'bind-address': '127.0.0.1',
  };
}

function kubeletFlags({ name, stateDirectory, network }: ClusterFacts): Flags {
  const files = clusterFiles(stateDirectory);
  return {
    config: files.kubeletConfiguration,
    kubeconfig: files.kubeconfig('kubelet'),
    'root-dir': join(stateDirectory, 'kubelet'),
    'hostname-override': name,
    'node-ip': network.nodeAddress,
  };
}

const KUBERNETES_FLAGS: Record<KubernetesComponent, (facts: ClusterFacts) => Flags> = {
  etcd: etcdFlags,
  'kube-apiserver': apiServerFlags,
  'kube-controller-manager': controllerManagerFlags,
  'kube-scheduler': schedulerFlags,
  kubelet: kubeletFlags,
  'kube-proxy': ({ stateDirectory }) => ({ config: clusterFiles(stateDirectory).kubeProxyConfiguration }),
};

/** The command of a component as it runs inside the enclosure. */
export function componentCommand(component: ComponentName, facts: ClusterFacts): string[] {
  const { stateDirectory } = facts;
  if (component === 'coredns') {
    return [programPath(stateDirectory, 'coredns'), '-conf', clusterFiles(stateDirectory).corefile];
  }
  const flags = Object.entries(KUBERNETES_FLAGS[component](facts)).map(([flag, value]) => `--${flag}=${value}`);
  return [programPath(stateDirectory, 'kubernetes'), component, ...flags];
}
