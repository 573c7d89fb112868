import type { KubernetesObject } from '../../domain/kubernetes-object.ts';
import type { KubeApi } from '../../kube/kube-api.ts';
import type { MissingObject } from '../platform.ts';

export const CLUSTER_API_GROUP = 'cluster.x-k8s.io';
/** The kinds of Cluster API that are captured, and what RBAC calls them. */
export const CLUSTER_API_RESOURCES = {
  Cluster: 'clusters',
  MachineDeployment: 'machinedeployments',
  MachineSet: 'machinesets',
  Machine: 'machines',
  MachineHealthCheck: 'machinehealthchecks',
};
const KINDS = Object.keys(CLUSTER_API_RESOURCES);

interface InfrastructureReference {
  readonly kind: string;
  readonly name: string;
  /** Up to Cluster API v1beta1. */
  readonly apiVersion?: string;
  /** Since v1beta2, which leaves the version to discovery. */
  readonly apiGroup?: string;
}

/**
 * The Cluster API objects of a control plane and the infrastructure objects they refer to: without them a restored
 * platform replaces every worker. None when the management cluster does not serve the group. What is referred to and
 * missing is added to `missing`.
 */
export async function captureClusterApiObjects(
  api: KubeApi,
  namespace: string,
  missing: MissingObject[],
): Promise<KubernetesObject[]> {
  const apiVersion = await api.preferredVersion(CLUSTER_API_GROUP);
  if (apiVersion === undefined) return [];
  const served = await Promise.all(KINDS.map(async (kind) => ((await api.servesKind(apiVersion, kind)) ? [kind] : [])));
  const objects = (await Promise.all(served.flat().map((kind) => api.list(apiVersion, kind, { namespace })))).flat();
  const references = new Map<string, { reference: InfrastructureReference; by: string }>();
  for (const object of objects) {
    for (const reference of infrastructureReferences(object['spec'])) {
      references.set(`${reference.kind}/${reference.name}`, {
        reference,
        by: `${object.kind} ${object.metadata.name}`,
      });
    }
  }
  const infrastructure = await Promise.all(
    [...references.values()].map(async ({ reference, by }) => {
      const version = reference.apiVersion ?? (await api.preferredVersion(reference.apiGroup ?? ''));
      const found =
        version === undefined
          ? undefined
          : await api.get({ apiVersion: version, kind: reference.kind, namespace, name: reference.name });
      if (found === undefined) {
        missing.push({ object: `${reference.kind} ${namespace}/${reference.name}`, why: `infrastructure of ${by}` });
      }
      return found;
    }),
  );
  return [...objects, ...infrastructure.filter((object) => object !== undefined)];
}

function infrastructureReferences(value: unknown): InfrastructureReference[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, child]) =>
    key === 'infrastructureRef' ? [child as InfrastructureReference] : infrastructureReferences(child),
  );
}
