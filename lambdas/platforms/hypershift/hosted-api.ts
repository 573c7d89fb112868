import type { V1PodSpec } from '@kubernetes/client-node';
import { formatControlPlaneName, type ControlPlaneName } from '../../domain/control-plane.ts';
import { NotFoundError } from '../../domain/errors.ts';
import type { KubernetesObject, Plain } from '../../domain/kubernetes-object.ts';
import { Secret } from '../../domain/secret.ts';
import type { KubeApi } from '../../kube/kube-api.ts';
import { isReady } from '../../kube/pod-readiness.ts';
import { secretText } from '../../kube/secret-text.ts';
import type { HostedApi } from '../api-servers.ts';
import { controlPlaneNamespace, getHostedCluster, parseHostedCluster } from './hosted-cluster.ts';

const COMPONENT = 'kube-apiserver';
const DEFAULT_PORT = 6443;

/** The API server's pods and the kubeconfig that HyperShift publishes; NotFoundError while it has not published any. */
export async function describeHostedApi(api: KubeApi, name: ControlPlaneName): Promise<HostedApi> {
  const { status } = parseHostedCluster(await getHostedCluster(api, name));
  const secretName = status?.kubeconfig?.name ?? `${name.name}-admin-kubeconfig`;
  const namespace = controlPlaneNamespace(name);
  const [secret, all] = await Promise.all([
    api.get({ apiVersion: 'v1', kind: 'Secret', namespace: name.namespace, name: secretName }),
    api.list('v1', 'Pod', { namespace, labelSelector: `app=${COMPONENT}` }),
  ]);
  const kubeconfig = secretText(secret, 'kubeconfig');
  if (kubeconfig === undefined) {
    throw new NotFoundError(
      `${formatControlPlaneName(name)} has no kubeconfig: Secret ${name.namespace}/${secretName} (kubeconfig) is not there`,
      { remedy: 'Let the HostedCluster be reconciled without a pause: its operator publishes the kubeconfig.' },
    );
  }
  const pods = all.filter(isReady);
  return {
    namespace,
    pods: pods.map(({ metadata }) => metadata.name),
    port: pods.flatMap(clientPortOf)[0] ?? DEFAULT_PORT,
    kubeconfig: new Secret(kubeconfig),
  };
}

/** Another one than the default may be set in the HostedCluster (`spec.networking.apiServer.port`). */
function clientPortOf(pod: KubernetesObject): number[] {
  const { containers } = pod['spec'] as Plain<V1PodSpec>;
  const container = containers.find(({ name }) => name === COMPONENT);
  return (container?.ports ?? []).filter(({ name }) => name === 'client').map(({ containerPort }) => containerPort);
}
