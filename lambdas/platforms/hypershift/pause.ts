import type { ControlPlaneName } from '../../domain/control-plane.ts';
import type { KubeApi } from '../../kube/kube-api.ts';
import { controlPlaneNamespace, referenceTo } from './hosted-cluster.ts';

const RESTORED_ANNOTATION = 'hypershift.openshift.io/restored-from-backup';

/**
 * Sets `spec.pausedUntil` of the HostedCluster: `true`, or a time in RFC 3339 at which the pause ends by itself; null takes
 * it away. NotFoundError without the HostedCluster.
 *
 * NodePools are left alone. Their workers stay as they are: a paused HostedCluster also pauses its Cluster, and with it every
 * machine, and a NodePool writes nothing to the hosted etcd. Its own pause would be one more that can be left behind.
 */
export async function pauseHostedCluster(
  api: KubeApi,
  name: ControlPlaneName,
  pausedUntil: string | null,
): Promise<void> {
  await api.merge(referenceTo(name), { spec: { pausedUntil } });
}

/**
 * Says by an annotation that the data are from a backup: HyperShift then repairs what hangs on volumes of before, and takes it away
 * again (openshift/hypershift #6195, #7851).
 */
export async function markRestored(api: KubeApi, name: ControlPlaneName): Promise<void> {
  await api.merge(referenceTo(name), { metadata: { annotations: { [RESTORED_ANNOTATION]: '' } } });
}

/**
 * The pause as the HostedControlPlane has it; null without one. HyperShift's operator copies it; until then the
 * control-plane-operator, which knows only the copy, puts replicas back. Without a HostedControlPlane, which is told by undefined,
 * there is nothing that it would do.
 */
export async function readPause(api: KubeApi, name: ControlPlaneName): Promise<string | null | undefined> {
  const { apiVersion } = referenceTo(name);
  const namespace = controlPlaneNamespace(name);
  const object = await api.get({ apiVersion, kind: 'HostedControlPlane', namespace, name: name.name });
  if (object === undefined) return undefined;
  return (object['spec'] as { pausedUntil?: string }).pausedUntil ?? null;
}
