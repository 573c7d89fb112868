import type { KubernetesObject } from '../../../lambdas/domain/kubernetes-object.ts';
import type { KubeApi } from '../../../lambdas/kube/kube-api.ts';

export const CONTROL_PLANE = { managementCluster: 'mgmt-a', namespace: 'clusters', name: 'prod' };
/** Where the pods of {@link CONTROL_PLANE} live. */
export const NAMESPACE = 'clusters-prod';

/** A HostedCluster as little as the API serves of it, with more of its spec and metadata. */
export function hostedCluster(spec: object = {}, metadata: object = {}): KubernetesObject {
  return {
    apiVersion: 'hypershift.openshift.io/v1beta1',
    kind: 'HostedCluster',
    metadata: { namespace: 'clusters', name: 'prod', uid: 'uid-1', ...metadata },
    spec: { etcd: { managementType: 'Managed', managed: {} }, ...spec },
  };
}

/** An object of the control plane's namespace. */
export function inNamespace(
  apiVersion: string,
  kind: string,
  metadata: KubernetesObject['metadata'],
  rest: object = {},
): KubernetesObject {
  return { apiVersion, kind, metadata: { namespace: NAMESPACE, ...metadata }, ...rest };
}

/** An API that serves these objects to whoever reads them. */
export function apiServing(objects: readonly KubernetesObject[]): KubeApi {
  const api: Pick<KubeApi, 'get' | 'list' | 'preferredVersion'> = {
    // Nothing but the groups of the objects that are given, which are of fixed versions.
    preferredVersion: () => Promise.resolve(undefined),
    get: ({ apiVersion, kind, namespace, name }) =>
      Promise.resolve(
        objects.find(
          (object) =>
            object.apiVersion === apiVersion &&
            object.kind === kind &&
            object.metadata.namespace === namespace &&
            object.metadata.name === name,
        ),
      ),
    list: (apiVersion, kind, options) =>
      Promise.resolve(
        objects.filter(
          (object) =>
            object.apiVersion === apiVersion &&
            object.kind === kind &&
            object.metadata.namespace === options?.namespace &&
            (options?.labelSelector === undefined || labelsOf(object).includes(options.labelSelector)),
        ),
      ),
  };
  return api as KubeApi;
}

function labelsOf({ metadata }: KubernetesObject): string[] {
  return Object.entries(metadata.labels ?? {}).map((label) => label.join('='));
}
