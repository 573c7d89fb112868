import * as z from 'zod';
import { formatControlPlaneName, type ControlPlaneName } from '../../domain/control-plane.ts';
import { NotFoundError, UnsupportedError } from '../../domain/errors.ts';
import type { KubernetesObject } from '../../domain/kubernetes-object.ts';
import type { KubeApi, ObjectReference } from '../../kube/kube-api.ts';

export const HYPERSHIFT_API = 'hypershift.openshift.io/v1beta1';

const reference = z.object({ name: z.string() }).optional();

/**
 * The fields of a HostedCluster that we act on; everything else is kept as it is.
 * Source: openshift/hypershift api/hypershift/v1beta1/hostedcluster_types.go.
 */
const hostedClusterSchema = z.object({
  metadata: z.object({
    name: z.string(),
    namespace: z.string(),
    uid: z.string(),
    labels: z.record(z.string(), z.string()).optional(),
  }),
  spec: z.object({
    infraID: z.string().optional(),
    controllerAvailabilityPolicy: z.string().optional(),
    pausedUntil: z.string().optional(),
    pullSecret: reference,
    sshKey: reference,
    serviceAccountSigningKey: reference,
    auditWebhook: reference,
    additionalTrustBundle: reference,
    secretEncryption: z.unknown().optional(),
    configuration: z.unknown().optional(),
    etcd: z.object({
      managementType: z.string(),
      managed: z
        .object({ shards: z.array(z.object({ name: z.string(), replicas: z.int().optional() })).optional() })
        .optional(),
    }),
  }),
  status: z
    .object({
      version: z
        .object({ history: z.array(z.object({ state: z.string(), version: z.string() })).optional() })
        .optional(),
      conditions: z.array(z.object({ type: z.string(), status: z.string() })).optional(),
      secretEncryption: z.unknown().optional(),
      kubeconfig: reference,
    })
    .optional(),
});
export type HostedCluster = z.infer<typeof hostedClusterSchema>;

/** Reads the fields that we act on out of a HostedCluster as the API serves it; UnsupportedError names the one that is off. */
export function parseHostedCluster(object: KubernetesObject): HostedCluster {
  const parsed = hostedClusterSchema.safeParse(object);
  if (parsed.success) return parsed.data;
  const { namespace, name } = object.metadata;
  throw new UnsupportedError(
    `HostedCluster ${namespace ?? ''}/${name} is not of the form that Lifeboat knows: ${z.prettifyError(parsed.error)}`,
    { remedy: 'Compare it with hypershift.openshift.io/v1beta1, and look for a newer Lifeboat.' },
  );
}

/** Where the API serves the HostedCluster of a control plane. */
export function referenceTo({ namespace, name }: ControlPlaneName): ObjectReference {
  return { apiVersion: HYPERSHIFT_API, kind: 'HostedCluster', namespace, name };
}

/** The HostedCluster as the API serves it; NotFoundError when there is none of that name. */
export async function getHostedCluster(api: KubeApi, name: ControlPlaneName): Promise<KubernetesObject> {
  const object = await api.get(referenceTo(name));
  if (object === undefined) {
    throw new NotFoundError(`no control plane ${formatControlPlaneName(name)}: there is no such HostedCluster`, {
      remedy: `Run "lifeboat discover" to see the control planes of ${name.managementCluster}.`,
    });
  }
  return object;
}

/** The NodePools of a control plane as the API serves them. */
export async function listNodePools(api: KubeApi, { namespace, name }: ControlPlaneName): Promise<KubernetesObject[]> {
  const nodePools = await api.list(HYPERSHIFT_API, 'NodePool', { namespace });
  return nodePools.filter((nodePool) => (nodePool['spec'] as { clusterName?: string }).clusterName === name);
}

/**
 * The namespace that holds the pods of a control plane: dots of the name become dashes
 * (hypershift-operator/controllers/manifests/manifests.go).
 */
export function controlPlaneNamespace(name: { readonly namespace: string; readonly name: string }): string {
  return `${name.namespace}-${name.name.replaceAll('.', '-')}`;
}

/** The version that the hosted control plane last reached; null before the first one. */
export function completedVersion(hostedCluster: HostedCluster): string | null {
  return hostedCluster.status?.version?.history?.find((entry) => entry.state === 'Completed')?.version ?? null;
}

/** One phrase on the state of a control plane, for people. */
export function stateOf(hostedCluster: HostedCluster): string {
  const { pausedUntil } = hostedCluster.spec;
  const available = hostedCluster.status?.conditions?.find((condition) => condition.type === 'Available');
  const state = available?.status === 'True' ? 'available' : 'not available';
  return pausedUntil === undefined ? state : `${state}, pausedUntil ${pausedUntil}`;
}
