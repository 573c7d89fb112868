import type { V1DeploymentSpec, V1DeploymentStatus } from '@kubernetes/client-node';
import { formatControlPlaneName, type ControlPlaneName } from '../../domain/control-plane.ts';
import { RestoreRefusedError, UnsupportedError } from '../../domain/errors.ts';
import type { KubernetesObject, Plain } from '../../domain/kubernetes-object.ts';
import type { RestoreTarget, Writer } from '../../domain/restore-target.ts';
import type { KubeApi } from '../../kube/kube-api.ts';
import { missingObjects, mountsOf, type MountedObject } from '../../kube/mounted-objects.ts';
import { describeInstallation } from '../statefulset-etcd/installation.ts';
import { declaredEtcds } from './etcd.ts';
import {
  completedVersion,
  controlPlaneNamespace,
  listNodePools,
  parseHostedCluster,
  referenceTo,
} from './hosted-cluster.ts';

/** Every Deployment that holds etcd's client certificate to write with; platforms without OpenShift have only the first. */
const WRITERS = ['kube-apiserver', 'openshift-apiserver', 'openshift-oauth-apiserver'];

/**
 * What a restore in place works on. RestoreRefusedError when the HostedCluster is gone or being deleted, or a volume is neither
 * there nor gone.
 */
export async function describeRestoreTarget(api: KubeApi, name: ControlPlaneName): Promise<RestoreTarget> {
  const object = await api.get(referenceTo(name));
  if (object === undefined) {
    throw new RestoreRefusedError(`there is no HostedCluster ${formatControlPlaneName(name)} to restore in place`, {
      remedy:
        'If it was deleted, create it from the identity in the recovery point, Secrets first and paused, then restore with --accept-other-uid: statemachines/restore-control-plane/README.md says how. "lifeboat discover" shows what there is.',
    });
  }
  const hostedCluster = parseHostedCluster(object);
  if (object.metadata.deletionTimestamp !== undefined) {
    throw new RestoreRefusedError(`HostedCluster ${formatControlPlaneName(name)} is being deleted`, {
      remedy: 'A pause does not hold its deletion back. Let it go, and create it anew from the recovery point.',
    });
  }
  const namespace = controlPlaneNamespace(name);
  const pods = await api.list('v1', 'Pod', { namespace });
  const [etcds, writers, nodePools] = await Promise.all([
    Promise.all(declaredEtcds(hostedCluster).map((etcd) => describeInstallation(api, etcd, pods))),
    Promise.all(WRITERS.map((writer) => describeWriter(api, namespace, writer))),
    listNodePools(api, name),
  ]);
  const mounts = [...etcds, ...writers].flatMap((workload) => workload.mounts);
  const datastores = etcds.flatMap(({ installation }) => installation ?? []);
  if (datastores.length === 0) {
    throw new UnsupportedError(`no etcd of ${formatControlPlaneName(name)} has a volume`, {
      remedy: 'Compare the HostedCluster with hypershift.openshift.io/v1beta1, and look for a newer Lifeboat.',
    });
  }
  return {
    uid: hostedCluster.metadata.uid,
    version: completedVersion(hostedCluster),
    datastores,
    writers: writers.flatMap(({ workload }) => workload ?? []),
    lacking: await missingObjects(api, namespace, mounts),
    pausedUntil: hostedCluster.spec.pausedUntil ?? null,
    warnings: [
      'A pause does not hold back the deletion of the HostedCluster, which ends its workers: nobody may delete it meanwhile.',
      ...etcds.flatMap(({ warnings }) => warnings),
      ...writers.flatMap(({ warning }) => warning ?? []),
      ...nodePools.flatMap(warningOfNodePool),
    ],
  };
}

interface DescribedWriter {
  readonly workload?: Writer;
  readonly mounts: readonly MountedObject[];
  readonly warning?: string;
}

async function describeWriter(api: KubeApi, namespace: string, name: string): Promise<DescribedWriter> {
  const kind = 'Deployment';
  const object = await api.get({ apiVersion: 'apps/v1', kind, namespace, name });
  if (object === undefined) return { mounts: [] };
  const { replicas = 1 } = object['spec'] as Plain<V1DeploymentSpec>;
  const { readyReplicas = 0 } = (object['status'] ?? {}) as Plain<V1DeploymentStatus>;
  const workload = { kind, namespace, name, replicas, foundReplicas: replicas, foundReady: readyReplicas } as const;
  const mounts = mountsOf(object);
  if (replicas > 0) return { workload, mounts };
  // The operator's own number depends on more than the HostedCluster shows (topology, zones), and the end of the pause
  // brings it; one is enough for the checks before.
  return {
    workload: { ...workload, replicas: 1 },
    mounts,
    warning: `Deployment ${name} is at zero replicas: it is brought to 1, and the operator sets its own number after the pause.`,
  };
}

/**
 * While the HostedCluster is paused so is its Cluster, and with it every machine. Afterwards the health check looks at
 * Nodes as the snapshot has them.
 */
function warningOfNodePool({ metadata, spec }: KubernetesObject): string[] {
  const { management } = spec as { management?: { autoRepair?: boolean } };
  if (management?.autoRepair !== true) return [];
  return [
    `NodePool ${metadata.name} replaces broken workers by itself (autoRepair): after the restore it may take for broken those whose Node is not in the recovery point, or not ready in it.`,
  ];
}
