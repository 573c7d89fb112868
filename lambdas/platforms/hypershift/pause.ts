import { setTimeout as delay } from 'node:timers/promises';
import { formatControlPlaneName, type ControlPlaneName } from '../../domain/control-plane.ts';
import { GateError } from '../../domain/errors.ts';
import type { KubeApi } from '../../kube/kube-api.ts';
import { controlPlaneNamespace, referenceTo } from './hosted-cluster.ts';

const RESTORED_ANNOTATION = 'hypershift.openshift.io/restored-from-backup';
const TIMEOUT_MILLISECONDS = 60_000;
const INTERVAL_MILLISECONDS = 250;

/**
 * Sets `spec.pausedUntil` of the HostedCluster: `true`, or a time in RFC 3339 at which the pause ends by itself; null takes
 * it away. Returns when the HostedControlPlane has the pause as well; GateError when it does not get it in time.
 * NotFoundError without the HostedCluster.
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
  // The end of a pause is shown by what comes back; an operator that can't copy it now must not fail whoever lets go.
  if (pausedUntil === null) return;
  const deadline = performance.now() + TIMEOUT_MILLISECONDS;
  for (;;) {
    const copy = await findCopy(api, name);
    if (copy === undefined || copy.pausedUntil === pausedUntil) return;
    if (performance.now() > deadline) {
      throw new GateError(
        `the pause of ${formatControlPlaneName(name)} has not reached its HostedControlPlane in ${TIMEOUT_MILLISECONDS / 1000} s`,
        { remedy: "See whether HyperShift's operator runs (namespace hypershift): it has to copy the pause." },
      );
    }
    await delay(INTERVAL_MILLISECONDS);
  }
}

/**
 * Says by an annotation that the data are from a backup: HyperShift then repairs what hangs on volumes of before, and takes it away
 * again (openshift/hypershift #6195, #7851).
 */
export async function markRestored(api: KubeApi, name: ControlPlaneName): Promise<void> {
  await api.merge(referenceTo(name), { metadata: { annotations: { [RESTORED_ANNOTATION]: '' } } });
}

/** The pause as the HostedControlPlane has it; null without one, or without a HostedControlPlane. */
export async function readPause(api: KubeApi, name: ControlPlaneName): Promise<string | null> {
  return (await findCopy(api, name))?.pausedUntil ?? null;
}

/**
 * HyperShift's operator copies the pause; until then the control-plane-operator, which knows only the copy, puts replicas
 * back. Without a HostedControlPlane there is nothing that it would do.
 */
async function findCopy(api: KubeApi, name: ControlPlaneName): Promise<{ readonly pausedUntil?: string } | undefined> {
  const { apiVersion } = referenceTo(name);
  const namespace = controlPlaneNamespace(name);
  const object = await api.get({ apiVersion, kind: 'HostedControlPlane', namespace, name: name.name });
  return object?.['spec'] as { pausedUntil?: string } | undefined;
}
