import type { KubeApi } from './api.ts';
import { recordInstance } from './cloud.ts';
import { converge } from './converge.ts';
import {
  AWS_CLUSTER,
  AWS_MACHINE,
  AWS_MACHINE_TEMPLATE,
  CLUSTER,
  HOSTED_CONTROL_PLANE,
  MACHINE,
  MACHINE_DEPLOYMENT,
  MACHINE_SET,
  type ControlPlaneObject,
  type KubeObject,
  type MachineApiObject,
  type Metadata,
  type Resource,
} from './resources.ts';

export const PAUSED_ANNOTATION = 'cluster.x-k8s.io/paused';

/** The finalizer that Cluster API or its AWS provider keeps on each kind; a template has none. */
export const MACHINE_API_FINALIZERS = {
  Cluster: 'cluster.cluster.x-k8s.io',
  MachineDeployment: 'cluster.x-k8s.io/machinedeployment',
  MachineSet: 'cluster.x-k8s.io/machineset',
  Machine: 'machine.cluster.x-k8s.io',
  AWSCluster: 'awscluster.infrastructure.cluster.x-k8s.io',
  AWSMachine: 'awsmachine.infrastructure.cluster.x-k8s.io',
} as const;

/** Kinds whose objects wait for a controller when they are deleted. */
export const FINALIZED = [CLUSTER, MACHINE_DEPLOYMENT, MACHINE_SET, MACHINE, AWS_CLUSTER, AWS_MACHINE] as const;

/** Reference to an object of the same namespace, as Cluster API's v1beta2 writes it. */
export function objectReference(resource: Resource<KubeObject>, name: string): Record<string, string> {
  return { apiGroup: resource.apiVersion.split('/')[0] ?? '', kind: resource.kind, name };
}

export function ownedBy(owner: MachineApiObject, metadata: Metadata): Metadata {
  const {
    apiVersion,
    kind,
    metadata: { name, uid = '' },
  } = owner;
  return { ...metadata, ownerReferences: [{ apiVersion, kind, name, uid, controller: true }] };
}

/** Objects of one kind in the namespace by name, ready for {@link converge}. */
export async function held(
  api: KubeApi,
  resource: Resource<MachineApiObject>,
  namespace: string,
): Promise<Map<string, MachineApiObject>> {
  return new Map((await api.list(resource, namespace)).map((object) => [object.metadata.name, object]));
}

export async function isMachineApiServed(api: KubeApi): Promise<boolean> {
  return (await api.serves(CLUSTER.apiVersion)) && (await api.serves(AWS_CLUSTER.apiVersion));
}

export function isObjectPaused(object: MachineApiObject): boolean {
  return object.metadata.annotations?.[PAUSED_ANNOTATION] !== undefined;
}

export async function isClusterPaused(api: KubeApi, namespace: string): Promise<boolean> {
  return (await api.list(CLUSTER, namespace)).some(({ spec }) => spec?.['paused'] === true);
}

/** The Cluster named by the infrastructure id, with its AWSCluster. Its spec is written once; only the pause is put back. */
export async function reconcileCluster(
  api: KubeApi,
  hostedCluster: ControlPlaneObject,
  namespace: string,
): Promise<void> {
  const { infraID } = hostedCluster.spec;
  if (infraID === undefined || !(await isMachineApiServed(api))) return;
  const clusters = await held(api, CLUSTER, namespace);
  if (!clusters.has(infraID)) {
    const { apiVersion, kind } = CLUSTER;
    const metadata = { name: infraID, namespace, finalizers: [MACHINE_API_FINALIZERS.Cluster] };
    const spec = {
      paused: false,
      controlPlaneRef: objectReference(HOSTED_CONTROL_PLANE, hostedCluster.metadata.name),
      infrastructureRef: objectReference(AWS_CLUSTER, hostedCluster.metadata.name),
    };
    clusters.set(infraID, await api.create(CLUSTER, { apiVersion, kind, metadata, spec }));
  }
  await pauseCluster(api, namespace, false);
  const cluster = clusters.get(infraID);
  if (cluster === undefined) return;
  const { apiVersion, kind } = AWS_CLUSTER;
  const metadata = { name: hostedCluster.metadata.name, namespace, finalizers: [MACHINE_API_FINALIZERS.AWSCluster] };
  await converge(api, AWS_CLUSTER, await held(api, AWS_CLUSTER, namespace), {
    apiVersion,
    kind,
    metadata: ownedBy(cluster, metadata),
    spec: { region: 'us-east-1', controlPlaneEndpoint: { host: 'kube-apiserver', port: 6443 } },
  });
}

/** Sets `spec.paused` of the namespace's Cluster; nothing when there is none. */
export async function pauseCluster(api: KubeApi, namespace: string, paused: boolean): Promise<void> {
  for (const cluster of await api.list(CLUSTER, namespace)) {
    if (cluster.spec?.['paused'] !== paused) await api.patch(CLUSTER, cluster, { spec: { paused } });
  }
}

/** Asks for the deletion of the Cluster and all that it owns; true once nothing of it is left. */
export async function deleteCluster(api: KubeApi, namespace: string): Promise<boolean> {
  const clusters = await api.list(CLUSTER, namespace);
  for (const { metadata } of clusters) await api.delete(CLUSTER, namespace, metadata.name);
  return clusters.length === 0;
}

/**
 * What Cluster API's controllers do with deletions: children first, the cloud instance with its AWSMachine, then the
 * finalizer. A paused Cluster, or an object paused by annotation, is left as it is.
 */
export async function settleDeletions(api: KubeApi, namespace: string): Promise<void> {
  if (await isClusterPaused(api, namespace)) return;
  const objects: { resource: Resource<MachineApiObject>; object: MachineApiObject }[] = [];
  for (const resource of [...FINALIZED, AWS_MACHINE_TEMPLATE]) {
    for (const object of await api.list(resource, namespace)) objects.push({ resource, object });
  }
  for (const { resource, object } of objects) {
    if (object.metadata.deletionTimestamp === undefined || isObjectPaused(object)) continue;
    const children = objects.filter(({ object: { metadata } }) =>
      metadata.ownerReferences?.some(({ uid }) => uid === object.metadata.uid),
    );
    for (const child of children) {
      if (child.object.metadata.deletionTimestamp !== undefined) continue;
      await api.delete(child.resource, namespace, child.object.metadata.name);
    }
    if (children.length > 0) continue;
    const instance = object.spec?.['instanceID'];
    if (resource === AWS_MACHINE && typeof instance === 'string') await recordInstance(api, instance, 'terminated');
    await api.patch(resource, object, { metadata: { finalizers: [] } });
  }
}
