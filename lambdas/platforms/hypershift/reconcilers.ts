import type { ControlPlaneName } from '../../domain/control-plane.ts';
import type { KubeApi } from '../../kube/kube-api.ts';
import type { Hold, Reconcilers } from '../reconcilers.ts';
import { controlPlaneNamespace, referenceTo } from './hosted-cluster.ts';

/**
 * Sets `spec.pausedUntil` of the HostedCluster: `true`, or a time in RFC 3339 at which the pause ends by itself; null takes
 * it away. NotFoundError without the HostedCluster.
 *
 * NodePools are left alone. Their workers stay as they are: a paused HostedCluster also pauses its Cluster, and with it every
 * machine, and a NodePool writes nothing to the hosted etcd. Its own pause would be one more that can be left behind.
 */
async function pauseHostedCluster(api: KubeApi, name: ControlPlaneName, pausedUntil: string | null): Promise<void> {
  await api.merge(referenceTo(name), { spec: { pausedUntil } });
}

/**
 * The pause as the HostedControlPlane has it; null without one. HyperShift's operator copies it; until then the
 * control-plane-operator, which knows only the copy, puts replicas back. Without a HostedControlPlane, which is told by undefined,
 * there is nothing that it would do.
 */
async function readPause(api: KubeApi, name: ControlPlaneName): Promise<Hold | null | undefined> {
  const { apiVersion } = referenceTo(name);
  const namespace = controlPlaneNamespace(name);
  const object = await api.get({ apiVersion, kind: 'HostedControlPlane', namespace, name: name.name });
  if (object === undefined) return undefined;
  const { pausedUntil } = object['spec'] as { pausedUntil?: string };
  if (pausedUntil === undefined) return null;
  return { text: pausedUntil, endsAt: pausedUntil === 'true' ? null : new Date(pausedUntil) };
}

/** The operators of HyperShift, which one pause stops. */
export const reconcilers: Reconcilers = {
  takenUpBy: "HyperShift's operator (namespace hypershift), which copies it to the HostedControlPlane",
  // Without the fraction of a second, as Kubernetes writes times.
  holdUntil: (until) => ({ text: until.toISOString().replace(/\.\d+Z$/, 'Z'), endsAt: until }),
  hold: (api, name, { text }) => pauseHostedCluster(api, name, text),
  release: pauseHostedCluster,
  read: readPause,
};
