import type { KubeApi } from './api.ts';
import {
  CONFIG_MAP,
  DEPLOYMENT,
  SECRET,
  SERVICE,
  STATEFUL_SET,
  type ConfigMapObject,
  type ControlPlaneObject,
  type DeploymentObject,
  type KubeObject,
  type Metadata,
  type Resource,
  type SecretObject,
  type ServiceObject,
  type StatefulSetObject,
} from './resources.ts';

/** What a control plane's namespace held when a reconcile began, kept up with what the reconcile writes. */
export interface Holdings {
  readonly secrets: Map<string, SecretObject>;
  readonly configMaps: Map<string, ConfigMapObject>;
  readonly services: Map<string, ServiceObject>;
  readonly statefulSets: Map<string, StatefulSetObject>;
  readonly deployments: Map<string, DeploymentObject>;
}

function byName<T extends KubeObject>(objects: readonly T[]): Map<string, T> {
  return new Map(objects.map((object) => [object.metadata.name, object]));
}

export async function readHoldings(api: KubeApi, namespace: string): Promise<Holdings> {
  const [secrets, configMaps, services, statefulSets, deployments] = await Promise.all([
    api.list(SECRET, namespace),
    api.list(CONFIG_MAP, namespace),
    api.list(SERVICE, namespace),
    api.list(STATEFUL_SET, namespace),
    api.list(DEPLOYMENT, namespace),
  ]);
  return {
    secrets: byName(secrets),
    configMaps: byName(configMaps),
    services: byName(services),
    statefulSets: byName(statefulSets),
    deployments: byName(deployments),
  };
}

/**
 * Whether `actual` says everything that `desired` says. Fields that only `actual` has are the API server's defaults and
 * other people's annotations; lists must agree in length, so that an added container or argument counts as a change.
 */
export function covers(actual: unknown, desired: unknown): boolean {
  // The API server leaves out what is empty: without this, every pass would write such an object again.
  if (actual === undefined && typeof desired === 'object' && desired !== null && Object.keys(desired).length === 0)
    return true;
  if (Array.isArray(desired)) {
    return (
      Array.isArray(actual) &&
      actual.length === desired.length &&
      desired.every((item, index) => covers(actual[index], item))
    );
  }
  if (typeof desired === 'object' && desired !== null) {
    if (typeof actual !== 'object' || actual === null) return false;
    const fields = actual as Record<string, unknown>;
    return Object.entries(desired).every(([name, value]) => value === undefined || covers(fields[name], value));
  }
  return actual === desired;
}

function mergeMetadata(actual: Metadata, desired: Metadata): Metadata {
  return {
    ...actual,
    ...desired,
    labels: { ...actual.labels, ...desired.labels },
    annotations: { ...actual.annotations, ...desired.annotations },
  };
}

/** Makes one object what it must be: created when absent, put back when changed, untouched otherwise. */
export async function converge<T extends KubeObject & { spec?: unknown }>(
  api: KubeApi,
  resource: Resource<T>,
  held: Map<string, T>,
  desired: T,
): Promise<T> {
  const name = desired.metadata.name;
  const actual = held.get(name);
  if (actual !== undefined && covers(actual, desired)) return actual;
  const written =
    actual === undefined
      ? await api.create(resource, desired)
      : await api.replace(resource, {
          ...actual,
          ...desired,
          metadata: mergeMetadata(actual.metadata, desired.metadata),
          // What the API server filled in, such as a Service's address, is immutable and has to be repeated.
          ...(desired.spec === undefined ? {} : { spec: { ...(actual.spec as object), ...(desired.spec as object) } }),
        });
  held.set(name, written);
  return written;
}

/** Metadata of something that belongs to the HostedControlPlane and goes with it. */
export function ownedMetadata(owner: ControlPlaneObject, namespace: string, name: string): Metadata {
  return {
    name,
    namespace,
    ownerReferences: [
      {
        apiVersion: owner.apiVersion,
        kind: owner.kind,
        name: owner.metadata.name,
        uid: owner.metadata.uid ?? '',
        controller: true,
      },
    ],
  };
}
