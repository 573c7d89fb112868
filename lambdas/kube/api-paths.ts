import type { ApiCall } from './api-failure.ts';

/** Which object is meant; `namespace` is left out for kinds that have none. */
export interface ObjectReference {
  readonly apiVersion: string;
  readonly kind: string;
  readonly namespace?: string;
  readonly name: string;
}

/** How a kind is served: its plural in paths and RBAC rules. */
export interface ServedResource {
  readonly plural: string;
  readonly namespaced: boolean;
}

/** `/api/v1`, `/apis/apps/v1`. */
export function groupVersionPath(apiVersion: string): string {
  return `/${apiVersion.includes('/') ? 'apis' : 'api'}/${apiVersion}`;
}

/** Of all objects of a kind, in a namespace or everywhere. */
export function collectionPath(apiVersion: string, resource: ServedResource, namespace: string | undefined): string {
  const scope = resource.namespaced && namespace !== undefined ? `/namespaces/${encodeURIComponent(namespace)}` : '';
  return `${groupVersionPath(apiVersion)}${scope}/${resource.plural}`;
}

/** Of one object. */
export function objectPath({ apiVersion, namespace, name }: ObjectReference, resource: ServedResource): string {
  return `${collectionPath(apiVersion, resource, namespace)}/${encodeURIComponent(name)}`;
}

/** A call to a path that stands for no object, in the words of RBAC. */
export function pathCall(path: string): ApiCall {
  return { verbs: ['get'], group: '', resource: path, namespace: undefined, name: undefined };
}

/** A call to a collection, in the words of RBAC. */
export function collectionCall(
  verbs: ApiCall['verbs'],
  apiVersion: string,
  resource: ServedResource,
  namespace: string | undefined,
): ApiCall {
  const [group] = apiVersion.includes('/') ? apiVersion.split('/') : [''];
  return {
    verbs,
    group: group ?? '',
    resource: resource.plural,
    namespace: resource.namespaced ? namespace : undefined,
    name: undefined,
  };
}

/** A call to one object, in the words of RBAC. */
export function objectCall(
  verbs: ApiCall['verbs'],
  { apiVersion, namespace, name }: ObjectReference,
  resource: ServedResource,
): ApiCall {
  return { ...collectionCall(verbs, apiVersion, resource, namespace), name };
}
