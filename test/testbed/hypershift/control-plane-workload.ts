import { KUBERNETES_IMAGE } from '../images.ts';
import type { KubeApi } from './api.ts';
import { converge, ownedMetadata, type Holdings } from './converge.ts';
import type { Pki } from './pki.ts';
import { podTemplate, type PodPlan } from './pod-template.ts';
import { DEPLOYMENT, type ControlPlaneObject, type DeploymentObject } from './resources.ts';

export const API_PORT = 6443;
const CERTIFICATES = '/etc/kubernetes/certs';
const SECRETS = '/etc/kubernetes/secrets';

export interface ControlPlaneContext {
  readonly owner: ControlPlaneObject;
  readonly namespace: string;
  readonly holdings: Holdings;
  readonly pki: Pki;
  /** Where the hosted API server is reached by its own `kubernetes` Service. */
  readonly apiAddress: string;
  readonly encrypted: boolean;
  /** `--etcd-servers-overrides`, one for each resource that a shard holds. */
  readonly etcdOverrides: readonly string[];
}

type Component = Omit<PodPlan, 'image' | 'configHash'>;

function apiServer({ owner, apiAddress, encrypted, etcdOverrides }: ControlPlaneContext): Component {
  return {
    component: 'kube-apiserver',
    command: [
      'kube-apiserver',
      `--advertise-address=${apiAddress}`,
      `--secure-port=${API_PORT}`,
      '--allow-privileged=true',
      '--authorization-mode=Node,RBAC',
      '--enable-bootstrap-token-auth=true',
      `--client-ca-file=${CERTIFICATES}/client-ca/ca.crt`,
      '--etcd-servers=https://etcd-client:2379',
      // As OpenShift has it, instead of Kubernetes' own /registry.
      '--etcd-prefix=kubernetes.io',
      `--etcd-cafile=${CERTIFICATES}/etcd-ca/ca.crt`,
      `--etcd-certfile=${CERTIFICATES}/etcd-client/etcd-client.crt`,
      `--etcd-keyfile=${CERTIFICATES}/etcd-client/etcd-client.key`,
      ...(etcdOverrides.length === 0 ? [] : [`--etcd-servers-overrides=${etcdOverrides.join(',')}`]),
      ...(encrypted ? [`--encryption-provider-config=${SECRETS}/encryption/config.yaml`] : []),
      `--kubelet-client-certificate=${CERTIFICATES}/kubelet-client/tls.crt`,
      `--kubelet-client-key=${CERTIFICATES}/kubelet-client/tls.key`,
      `--proxy-client-cert-file=${CERTIFICATES}/aggregator/tls.crt`,
      `--proxy-client-key-file=${CERTIFICATES}/aggregator/tls.key`,
      `--requestheader-client-ca-file=${CERTIFICATES}/aggregator-client-ca/ca.crt`,
      '--requestheader-allowed-names=system:openshift-aggregator',
      '--requestheader-extra-headers-prefix=X-Remote-Extra-',
      '--requestheader-group-headers=X-Remote-Group',
      '--requestheader-username-headers=X-Remote-User',
      `--service-account-issuer=${owner.spec.issuerURL ?? 'https://kubernetes.default.svc'}`,
      `--service-account-key-file=${SECRETS}/service-account/service-account.pub`,
      `--service-account-signing-key-file=${SECRETS}/service-account/service-account.key`,
      '--service-cluster-ip-range=172.31.0.0/16',
      `--tls-cert-file=${CERTIFICATES}/server/tls.crt`,
      `--tls-private-key-file=${CERTIFICATES}/server/tls.key`,
    ],
    mounts: {
      secrets: {
        'kas-server-crt': `${CERTIFICATES}/server`,
        'etcd-client-tls': `${CERTIFICATES}/etcd-client`,
        'kas-kubelet-client-crt': `${CERTIFICATES}/kubelet-client`,
        'kas-aggregator-crt': `${CERTIFICATES}/aggregator`,
        'sa-signing-key': `${SECRETS}/service-account`,
        ...(encrypted ? { 'kas-secret-encryption-config': `${SECRETS}/encryption` } : {}),
      },
      configMaps: {
        'client-ca': `${CERTIFICATES}/client-ca`,
        'etcd-ca': `${CERTIFICATES}/etcd-ca`,
        'aggregator-client-ca': `${CERTIFICATES}/aggregator-client-ca`,
      },
    },
    ports: { client: API_PORT },
    probe: { path: '/readyz', port: API_PORT, scheme: 'HTTPS', restarts: true },
  };
}

function controllerManager(): Component {
  const kubeconfig = `${SECRETS}/kubeconfig/kubeconfig`;
  return {
    component: 'kube-controller-manager',
    command: [
      'kube-controller-manager',
      `--kubeconfig=${kubeconfig}`,
      `--authentication-kubeconfig=${kubeconfig}`,
      `--authorization-kubeconfig=${kubeconfig}`,
      '--controllers=*,bootstrapsigner,tokencleaner',
      `--cluster-signing-cert-file=${CERTIFICATES}/cluster-signer/ca.crt`,
      `--cluster-signing-key-file=${CERTIFICATES}/cluster-signer/ca.key`,
      `--root-ca-file=${CERTIFICATES}/root-ca/ca.crt`,
      `--service-account-private-key-file=${SECRETS}/service-account/service-account.key`,
      '--use-service-account-credentials=true',
      '--cert-dir=/tmp',
    ],
    mounts: {
      secrets: {
        'kube-controller-manager-kubeconfig': `${SECRETS}/kubeconfig`,
        'cluster-signer-ca': `${CERTIFICATES}/cluster-signer`,
        'sa-signing-key': `${SECRETS}/service-account`,
      },
      configMaps: { 'root-ca': `${CERTIFICATES}/root-ca` },
    },
    probe: { path: '/healthz', port: 10257, scheme: 'HTTPS', restarts: true },
  };
}

function scheduler(): Component {
  const kubeconfig = `${SECRETS}/kubeconfig/kubeconfig`;
  return {
    component: 'kube-scheduler',
    command: [
      'kube-scheduler',
      `--kubeconfig=${kubeconfig}`,
      `--authentication-kubeconfig=${kubeconfig}`,
      `--authorization-kubeconfig=${kubeconfig}`,
      '--cert-dir=/tmp',
    ],
    mounts: { secrets: { 'kube-scheduler-kubeconfig': `${SECRETS}/kubeconfig` } },
    probe: { path: '/healthz', port: 10259, scheme: 'HTTPS', restarts: true },
  };
}

async function reconcileComponent(
  api: KubeApi,
  { owner, namespace, holdings, pki }: ControlPlaneContext,
  component: Component,
): Promise<DeploymentObject> {
  const { secrets, configMaps = {} } = component.mounts;
  const configHash = pki.hashOf(Object.keys(secrets), Object.keys(configMaps));
  return converge(api, DEPLOYMENT, holdings.deployments, {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: ownedMetadata(owner, namespace, component.component),
    spec: {
      // One of each whatever the availability policy: three API servers would not fit a machine of two cores.
      replicas: 1,
      selector: { matchLabels: { app: component.component } },
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } },
      template: podTemplate({ ...component, image: KUBERNETES_IMAGE, configHash }),
    },
  });
}

export function isAvailable(deployment: DeploymentObject | undefined): boolean {
  return (deployment?.status?.availableReplicas ?? 0) > 0;
}

/** Makes or puts back the three Deployments of the hosted control plane. */
export async function reconcileControlPlane(api: KubeApi, context: ControlPlaneContext): Promise<void> {
  const apiDeployment = await reconcileComponent(api, context, apiServer(context));
  for (const component of [controllerManager(), scheduler()]) {
    // Started early they would give up on the API server and then sit out the kubelet's restart back-off; the real
    // operator holds them back with an init container.
    const started = context.holdings.deployments.has(component.component);
    if (started || isAvailable(apiDeployment)) await reconcileComponent(api, context, component);
  }
}
