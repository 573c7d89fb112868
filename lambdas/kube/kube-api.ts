import * as z from 'zod';
import { ClusterUnreachableError, ConflictError, NotFoundError } from '../domain/errors.ts';
import type { KubernetesObject } from '../domain/kubernetes-object.ts';
import { errorForStatus, notAnApiServer, type ApiCall } from './api-failure.ts';
import {
  collectionCall,
  collectionPath,
  groupVersionPath,
  objectCall,
  objectPath,
  pathCall,
  type ObjectReference,
  type ServedResource,
} from './api-paths.ts';
import { ApiRequests, type ApiRequestOptions, type CallOptions } from './api-requests.ts';
import { readApiStatus } from './api-status.ts';
import type { ClusterAccess } from './cluster-access.ts';
import type { HttpsRequest, HttpsResponse } from './https-pool.ts';
import { errorForRefusedWrite, REFUSED_WRITE_STATUSES } from './write-refusal.ts';

export type { CallOptions, ObjectReference, ServedResource };

/** A subresource that is created by a call to it, e.g. `token` of a ServiceAccount. */
export interface SubresourceReference extends ObjectReference {
  readonly subresource: string;
}

export interface ListOptions extends CallOptions {
  /** All namespaces when left out. */
  readonly namespace?: string;
  readonly labelSelector?: string;
}

export interface DeleteOptions extends CallOptions {
  /** How long a pod may take to end; its own time when left out. */
  readonly gracePeriodSeconds?: number;
  /** Only the object with this uid is meant. */
  readonly uid?: string;
}

export interface KubeApiOptions extends ApiRequestOptions {
  readonly pageSize?: number;
}

interface GuardedParts {
  readonly requests: ApiRequests;
  readonly served: Map<string, ServedResource>;
  readonly mayWrite: () => Promise<void>;
}

/** Under this name the API server keeps which fields are ours. */
const FIELD_MANAGER = 'lifeboat';
const BY_US = new URLSearchParams({ fieldManager: FIELD_MANAGER }).toString();

const objectSchema = z.looseObject({
  apiVersion: z.string(),
  kind: z.string(),
  metadata: z.looseObject({ name: z.string() }),
});
const listSchema = z.looseObject({
  apiVersion: z.string(),
  metadata: z.looseObject({ continue: z.string().optional() }),
  items: z.array(z.looseObject({ metadata: z.looseObject({ name: z.string() }) })),
});
const discoverySchema = z.looseObject({
  resources: z.array(z.looseObject({ name: z.string(), kind: z.string(), namespaced: z.boolean() })),
});
const groupSchema = z.looseObject({ preferredVersion: z.looseObject({ groupVersion: z.string() }) });
const versionSchema = z.looseObject({ gitVersion: z.string() });
const scaleSchema = z.looseObject({ status: z.looseObject({ replicas: z.int().nonnegative() }) });

/**
 * Reads objects of a cluster, of any kind and exactly as the API serves them, and writes them. Errors of every method:
 * PermissionError (credentials refused, or the RBAC rule that is missing), KubeconfigError (expired client certificate, wrong
 * CA), ClusterUnreachableError (after bounded retries), those of streams that it is reached through, the signal's reason when
 * it aborts. `create`, `merge`, `scale` and `delete` also say by PermissionError who else refuses (quota, admission), and by
 * UnsupportedError which fields the API server finds not valid.
 */
export class KubeApi {
  readonly #requests: ApiRequests;
  readonly #pageSize: number;
  readonly #served: Map<string, ServedResource>;
  readonly #mayWrite: () => Promise<void>;

  constructor(access: ClusterAccess, { pageSize = 500, ...options }: KubeApiOptions = {}, guarded?: GuardedParts) {
    this.#requests = guarded?.requests ?? new ApiRequests(access, options);
    this.#served = guarded?.served ?? new Map<string, ServedResource>();
    this.#mayWrite = guarded?.mayWrite ?? (() => Promise.resolve());
    this.#pageSize = pageSize;
  }

  /** The same over the same connections, which asks `mayWrite` before each write: an error of that is the write's. */
  guardedBy(mayWrite: () => Promise<void>): KubeApi {
    const parts = { requests: this.#requests, served: this.#served, mayWrite };
    return new KubeApi(this.#requests.access, { pageSize: this.#pageSize }, parts);
  }

  /** Version of the API server, e.g. `v1.35.4`. */
  async version(options: CallOptions = {}): Promise<string> {
    const path = '/version';
    return this.#requests.parse(versionSchema, await this.#requests.send(path, pathCall(path), options)).gitVersion;
  }

  /** Whether the API server says of itself that it is ready; ClusterUnreachableError when there is no answer at all. */
  async readyz(options: CallOptions = {}): Promise<boolean> {
    const path = '/readyz';
    // 500 while one of its checks fails; the others come from what stands before it.
    const response = await this.#requests.send(path, pathCall(path), options, [500, 502, 503, 504]);
    if (response.status !== 200) return false;
    if (response.body.trim() === 'ok') return true;
    throw notAnApiServer(this.#requests.access, `its answer to ${path} is another one than "ok"`);
  }

  /** The object, or undefined only when the API server says that it does not exist. NotFoundError for an unserved kind. */
  async get(reference: ObjectReference, options: CallOptions = {}): Promise<KubernetesObject | undefined> {
    const resource = await this.#servedOrThrow(reference.apiVersion, reference.kind, options);
    const call = objectCall(['get'], reference, resource);
    const response = await this.#requests.send(objectPath(reference, resource), call, options, [404]);
    if (response.status === 200) return this.#requests.parse(objectSchema, response);
    // A proxy that does not know the way answers 404 as well; only the API server's own Status counts as "is not there".
    if (readApiStatus(response.body) !== undefined) return undefined;
    throw errorForStatus(response.status, call, this.#requests.access);
  }

  /** All objects of a kind, in pages, each with its apiVersion and kind (which lists leave out). */
  async list(apiVersion: string, kind: string, options: ListOptions = {}): Promise<KubernetesObject[]> {
    const resource = await this.#servedOrThrow(apiVersion, kind, options);
    for (let attempt = 1; attempt <= this.#requests.attempts; attempt += 1) {
      const objects = await this.#listOnce(apiVersion, kind, resource, options);
      if (objects !== undefined) return objects;
    }
    throw new ClusterUnreachableError(
      `could not list ${resource.plural} on ${this.#requests.access.server}: the list expired before its last page, each time`,
      { remedy: 'The API server compacts faster than it answers; look at its load, then try again.' },
    );
  }

  /**
   * Makes an object be as given, by server-side apply: fields that it does not name stay as they are. Safe to repeat; what
   * somebody else has changed in our fields is taken back. Gives the object as it is now. ConflictError when it can't be so.
   */
  async apply(object: KubernetesObject, options: CallOptions = {}): Promise<KubernetesObject> {
    const { apiVersion, kind, metadata } = object;
    const resource = await this.#servedOrThrow(apiVersion, kind, options);
    const reference = { ...metadata, apiVersion, kind };
    const query = new URLSearchParams({ fieldManager: FIELD_MANAGER, force: 'true' }).toString();
    const request = {
      method: 'PATCH',
      path: `${objectPath(reference, resource)}?${query}`,
      body: object,
      contentType: 'application/apply-patch+yaml',
    } as const;
    // Making an object by apply asks for `create` as well.
    const call = objectCall(['patch', 'create'], reference, resource);
    await this.#mayWrite();
    const response = await this.#requests.send(request, call, options, [201, 409, 422]);
    if (response.status < 300) return this.#requests.parse(objectSchema, response);
    throw new ConflictError(`${kind} "${metadata.name}" can't be made as it should be (${response.status})`, {
      remedy: 'Somebody has changed a field of it that is fixed for its life: delete it, then try again.',
    });
  }

  /**
   * Makes an object that is not there yet. `exists` when one of that name is, which may be that of this very call, made before
   * its answer was lost: look whose it is. NotFoundError when its namespace is not there.
   */
  async create(object: KubernetesObject, options: CallOptions = {}): Promise<KubernetesObject | 'exists'> {
    const { apiVersion, kind, metadata } = object;
    const resource = await this.#servedOrThrow(apiVersion, kind, options);
    const path = `${collectionPath(apiVersion, resource, metadata.namespace)}?${BY_US}`;
    const call = collectionCall(['create'], apiVersion, resource, metadata.namespace);
    const response = await this.#write({ method: 'POST', path, body: object }, call, options, {
      accepted: [201, 409],
    });
    if (response.status !== 409) return this.#requests.parse(objectSchema, response);
    if (readApiStatus(response.body)?.reason === 'AlreadyExists') return 'exists';
    throw errorForStatus(response.status, call, this.#requests.access);
  }

  /**
   * Changes what the patch names (RFC 7396: null removes) and gives the object as it is now; safe to repeat. NotFoundError when
   * it is not there; ConflictError when the patch names `metadata.uid` or `metadata.resourceVersion` and the object has another.
   */
  async merge(reference: ObjectReference, patch: object, options: CallOptions = {}): Promise<KubernetesObject> {
    return this.#requests.parse(objectSchema, await this.#patch(reference, undefined, patch, options));
  }

  /**
   * Sets how many pods a Deployment or StatefulSet is to have, and gives how many it has now. NotFoundError when it is not
   * there.
   */
  async scale(reference: ObjectReference, replicas: number, options: CallOptions = {}): Promise<number> {
    const response = await this.#patch(reference, 'scale', { spec: { replicas } }, options);
    return this.#requests.parse(scaleSchema, response).status.replicas;
  }

  /**
   * Asks for an object's end, which may take time: a pod's grace, finalizers. False when it was not there, which may be so
   * because the answer to this very call was lost. ConflictError when it has another uid than the given one.
   */
  async delete(reference: ObjectReference, options: DeleteOptions = {}): Promise<boolean> {
    const { gracePeriodSeconds, uid } = options;
    const resource = await this.#servedOrThrow(reference.apiVersion, reference.kind, options);
    const call = objectCall(['delete'], reference, resource);
    const body = {
      apiVersion: 'v1',
      kind: 'DeleteOptions',
      ...(gracePeriodSeconds !== undefined && { gracePeriodSeconds }),
      ...(uid !== undefined && { preconditions: { uid } }),
    };
    const request = { method: 'DELETE', path: objectPath(reference, resource), body } as const;
    try {
      await this.#write(request, call, options, { accepted: [202], conflicts: uid === undefined ? [] : [409] });
      return true;
    } catch (error) {
      if (error instanceof NotFoundError) return false;
      throw error;
    }
  }

  /**
   * Asks for something that is made by the asking and kept nowhere: an access review, a token (a subresource of `target`).
   * It is repeated when no answer comes. `schema` says what must be in the answer.
   */
  async request<T>(
    target: Omit<SubresourceReference, 'name' | 'subresource'> & Partial<SubresourceReference>,
    body: object,
    schema: z.ZodType<T>,
    options: CallOptions = {},
  ): Promise<T> {
    const { apiVersion, kind, namespace, name, subresource } = target;
    const resource = await this.#servedOrThrow(apiVersion, kind, options);
    const parts = [collectionPath(apiVersion, resource, namespace), name, subresource].filter(
      (part) => part !== undefined,
    );
    const call = collectionCall(['create'], apiVersion, resource, namespace);
    const named = subresource === undefined ? call : { ...call, resource: `${resource.plural}/${subresource}`, name };
    const request = { method: 'POST', path: parts.join('/'), body } as const;
    return this.#requests.parse(schema, await this.#requests.send(request, named, options, [201]));
  }

  /** How a kind is served, or undefined when this cluster does not serve it. */
  async resourceFor(apiVersion: string, kind: string, options: CallOptions = {}): Promise<ServedResource | undefined> {
    const key = `${apiVersion} ${kind}`;
    const known = this.#served.get(key);
    if (known !== undefined) return known;
    const path = groupVersionPath(apiVersion);
    const response = await this.#requests.send(path, pathCall(path), options, [404]);
    if (response.status === 404) return undefined;
    const { resources } = this.#requests.parse(discoverySchema, response);
    for (const { name, kind: served, namespaced } of resources) {
      if (!name.includes('/')) this.#served.set(`${apiVersion} ${served}`, { plural: name, namespaced });
    }
    return this.#served.get(key);
  }

  /** Whether the cluster has a kind, e.g. that of a platform's custom resource. */
  async servesKind(apiVersion: string, kind: string, options: CallOptions = {}): Promise<boolean> {
    return (await this.resourceFor(apiVersion, kind, options)) !== undefined;
  }

  /** The apiVersion that the cluster prefers for a group (empty: the core group), or undefined when it has no such group. */
  async preferredVersion(group: string, options: CallOptions = {}): Promise<string | undefined> {
    if (group === '') return 'v1';
    const path = `/apis/${group}`;
    const response = await this.#requests.send(path, pathCall(path), options, [404]);
    return response.status === 404
      ? undefined
      : this.#requests.parse(groupSchema, response).preferredVersion.groupVersion;
  }

  /** Closes the connections; calls still under way fail. */
  close(): void {
    this.#requests.close();
  }

  async #servedOrThrow(apiVersion: string, kind: string, options: CallOptions): Promise<ServedResource> {
    const resource = await this.resourceFor(apiVersion, kind, options);
    if (resource !== undefined) return resource;
    throw new NotFoundError(`${this.#requests.access.server} does not serve ${kind} of ${apiVersion}`, {
      remedy: 'Check that this is the right management cluster and that the custom resource definition is installed.',
    });
  }

  /** undefined when the continue token expired (410): the pages so far are of another revision and worth nothing. */
  async #listOnce(
    apiVersion: string,
    kind: string,
    resource: ServedResource,
    options: ListOptions,
  ): Promise<KubernetesObject[] | undefined> {
    const objects: KubernetesObject[] = [];
    const query = new URLSearchParams({ limit: String(this.#pageSize) });
    if (options.labelSelector !== undefined) query.set('labelSelector', options.labelSelector);
    const call = collectionCall(['list'], apiVersion, resource, options.namespace);
    do {
      const path = `${collectionPath(apiVersion, resource, options.namespace)}?${query.toString()}`;
      const response = await this.#requests.send(path, call, options, [410]);
      if (response.status === 410) return undefined;
      const page = this.#requests.parse(listSchema, response);
      objects.push(...page.items.map((item) => ({ ...item, apiVersion, kind })));
      query.set('continue', page.metadata.continue ?? '');
    } while (query.get('continue') !== '');
    return objects;
  }

  async #patch(
    reference: ObjectReference,
    subresource: 'scale' | undefined,
    patch: object,
    options: CallOptions,
  ): Promise<HttpsResponse> {
    const resource = await this.#servedOrThrow(reference.apiVersion, reference.kind, options);
    const below = subresource === undefined ? '' : `/${subresource}`;
    const request = {
      method: 'PATCH',
      path: `${objectPath(reference, resource)}${below}?${BY_US}`,
      body: patch,
      contentType: 'application/merge-patch+json',
    } as const;
    const call = objectCall(['patch'], reference, { ...resource, plural: `${resource.plural}${below}` });
    const { metadata } = patch as { readonly metadata?: { readonly resourceVersion?: string } };
    const conflicts = metadata?.resourceVersion === undefined ? [] : [409];
    return this.#write(request, call, options, { conflicts });
  }

  /** A write, with its answer of 200 or one of `accepted`; refusals are explained, `conflicts` among them. */
  async #write(
    request: HttpsRequest,
    call: ApiCall,
    options: CallOptions,
    { accepted = [], conflicts = [] }: { accepted?: readonly number[]; conflicts?: readonly number[] } = {},
  ): Promise<HttpsResponse> {
    await this.#mayWrite();
    const refusals = [...conflicts, ...REFUSED_WRITE_STATUSES];
    const response = await this.#requests.send(request, call, options, [...accepted, ...refusals]);
    if (refusals.includes(response.status)) throw errorForRefusedWrite(response, call, this.#requests.access);
    return response;
  }
}
