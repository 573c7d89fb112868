import { setTimeout as delay } from 'node:timers/promises';
import * as z from 'zod';
import { ClusterUnreachableError, ConflictError, LifeboatError, NotFoundError } from '../domain/errors.ts';
import type { KubernetesObject } from '../domain/kubernetes-object.ts';
import {
  CredentialsRefusedError,
  errorForConnection,
  errorForStatus,
  notAnApiServer,
  type ApiCall,
} from './api-failure.ts';
import { assertUsableAt, type ClusterAccess } from './cluster-access.ts';
import { HttpsPool, type HttpsRequest, type HttpsResponse } from './https-pool.ts';

/** Which object is meant; `namespace` is left out for kinds that have none. */
export interface ObjectReference {
  readonly apiVersion: string;
  readonly kind: string;
  readonly namespace?: string;
  readonly name: string;
}

/** A subresource that is created by a call to it, e.g. `token` of a ServiceAccount. */
export interface SubresourceReference extends ObjectReference {
  readonly subresource: string;
}

/** How a kind is served: its plural in paths and RBAC rules. */
export interface ServedResource {
  readonly plural: string;
  readonly namespaced: boolean;
}

export interface CallOptions {
  readonly signal?: AbortSignal;
}

export interface ListOptions extends CallOptions {
  /** All namespaces when left out. */
  readonly namespace?: string;
  readonly labelSelector?: string;
}

/** Bounds of every call; the defaults suit an API server across the Internet. */
export interface KubeApiOptions {
  /** For one attempt, up to the last byte of its answer. */
  readonly timeoutMilliseconds?: number;
  readonly attempts?: number;
  /** Upper bound of the first wait between attempts; doubles with each, up to {@link LONGEST_WAIT_MILLISECONDS}. */
  readonly firstWaitMilliseconds?: number;
  readonly pageSize?: number;
  readonly clock?: () => Date;
  /** Asked once in a call when the credentials are refused; undefined: there are no newer ones. */
  readonly renewAccess?: (refused: ClusterAccess) => Promise<ClusterAccess | undefined>;
}

/** Under this name the API server keeps which fields are ours. */
const FIELD_MANAGER = 'lifeboat';
// Also bounds what a Retry-After may ask for, so that a confused proxy can't hold a Lambda until its time is up.
const LONGEST_WAIT_MILLISECONDS = 10_000;

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
const statusSchema = z.looseObject({ kind: z.literal('Status') });
const discoverySchema = z.looseObject({
  resources: z.array(z.looseObject({ name: z.string(), kind: z.string(), namespaced: z.boolean() })),
});
const groupSchema = z.looseObject({ preferredVersion: z.looseObject({ groupVersion: z.string() }) });
const versionSchema = z.looseObject({ gitVersion: z.string() });

/**
 * Reads objects of a management cluster, of any kind and exactly as the API serves them, and writes what is ours. Errors of
 * every method: PermissionError (credentials refused, or the RBAC rule that is missing), KubeconfigError (expired client certificate,
 * wrong CA), ClusterUnreachableError (after bounded retries), the signal's reason when it aborts.
 */
export class KubeApi {
  #access: ClusterAccess;
  #pool: HttpsPool;
  /** Of former credentials; calls may still be under way. */
  readonly #formerPools: HttpsPool[] = [];
  readonly #options: Required<KubeApiOptions>;
  readonly #served = new Map<string, ServedResource>();

  constructor(access: ClusterAccess, options: KubeApiOptions = {}) {
    this.#access = access;
    this.#pool = new HttpsPool(access);
    this.#options = {
      timeoutMilliseconds: 15_000,
      attempts: 4,
      firstWaitMilliseconds: 250,
      pageSize: 500,
      clock: () => new Date(),
      renewAccess: () => Promise.resolve(undefined),
      ...options,
    };
  }

  /** Version of the API server, e.g. `v1.35.4`. */
  async version(options: CallOptions = {}): Promise<string> {
    const path = '/version';
    return this.#parse(versionSchema, await this.#request(path, discoveryCall(path), options)).gitVersion;
  }

  /** The object, or undefined only when the API server says that it does not exist. NotFoundError for an unserved kind. */
  async get(reference: ObjectReference, options: CallOptions = {}): Promise<KubernetesObject | undefined> {
    const resource = await this.#servedOrThrow(reference.apiVersion, reference.kind, options);
    const call = { ...callTo('get', reference.apiVersion, resource, reference.namespace), name: reference.name };
    const path = `${collectionPath(reference.apiVersion, resource, reference.namespace)}/${encodeURIComponent(reference.name)}`;
    const response = await this.#request(path, call, options, [404]);
    if (response.status === 200) return this.#parse(objectSchema, response);
    // A proxy that does not know the way answers 404 as well; only the API server's own Status counts as "is not there".
    if (statusSchema.safeParse(parseJson(response.body)).success) return undefined;
    throw errorForStatus(response.status, call, this.#access);
  }

  /** All objects of a kind, in pages, each with its apiVersion and kind (which lists leave out). */
  async list(apiVersion: string, kind: string, options: ListOptions = {}): Promise<KubernetesObject[]> {
    const resource = await this.#servedOrThrow(apiVersion, kind, options);
    for (let attempt = 1; attempt <= this.#options.attempts; attempt += 1) {
      const objects = await this.#listOnce(apiVersion, kind, resource, options);
      if (objects !== undefined) return objects;
    }
    throw new ClusterUnreachableError(
      `could not list ${resource.plural} on ${this.#access.server}: the list expired before its last page, each time`,
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
    const { namespace, name } = metadata;
    const query = new URLSearchParams({ fieldManager: FIELD_MANAGER, force: 'true' }).toString();
    const request = {
      method: 'PATCH',
      path: `${collectionPath(apiVersion, resource, namespace)}/${encodeURIComponent(name)}?${query}`,
      body: object,
      contentType: 'application/apply-patch+yaml',
    } as const;
    // Making an object by apply asks for `create` as well.
    const call = { ...callTo('patch', apiVersion, resource, namespace, 'create'), name };
    const response = await this.#request(request, call, options, [201, 409, 422]);
    if (response.status < 300) return this.#parse(objectSchema, response);
    throw new ConflictError(`${kind} "${name}" can't be made as it should be (${response.status})`, {
      remedy: 'Somebody has changed a field of it that is fixed for its life: delete it, then try again.',
    });
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
    const call = callTo('create', apiVersion, resource, namespace);
    const named = subresource === undefined ? call : { ...call, resource: `${resource.plural}/${subresource}`, name };
    const request = { method: 'POST', path: parts.join('/'), body } as const;
    return this.#parse(schema, await this.#request(request, named, options, [201]));
  }

  /** How a kind is served, or undefined when this cluster does not serve it. */
  async resourceFor(apiVersion: string, kind: string, options: CallOptions = {}): Promise<ServedResource | undefined> {
    const key = `${apiVersion} ${kind}`;
    const known = this.#served.get(key);
    if (known !== undefined) return known;
    const path = groupVersionPath(apiVersion);
    const response = await this.#request(path, discoveryCall(path), options, [404]);
    if (response.status === 404) return undefined;
    const { resources } = this.#parse(discoverySchema, response);
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
    const response = await this.#request(path, discoveryCall(path), options, [404]);
    return response.status === 404 ? undefined : this.#parse(groupSchema, response).preferredVersion.groupVersion;
  }

  /** Closes the connections; calls still under way fail. */
  close(): void {
    for (const pool of [this.#pool, ...this.#formerPools]) pool.close();
  }

  async #servedOrThrow(apiVersion: string, kind: string, options: CallOptions): Promise<ServedResource> {
    const resource = await this.resourceFor(apiVersion, kind, options);
    if (resource !== undefined) return resource;
    throw new NotFoundError(`${this.#access.server} does not serve ${kind} of ${apiVersion}`, {
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
    const query = new URLSearchParams({ limit: String(this.#options.pageSize) });
    if (options.labelSelector !== undefined) query.set('labelSelector', options.labelSelector);
    const call = callTo('list', apiVersion, resource, options.namespace);
    do {
      const path = `${collectionPath(apiVersion, resource, options.namespace)}?${query.toString()}`;
      const response = await this.#request(path, call, options, [410]);
      if (response.status === 410) return undefined;
      const page = this.#parse(listSchema, response);
      objects.push(...page.items.map((item) => ({ ...item, apiVersion, kind })));
      query.set('continue', page.metadata.continue ?? '');
    } while (query.get('continue') !== '');
    return objects;
  }

  /** The answer when it is 200 or one of `alsoAccepted`; retries what may pass, translates everything else. */
  async #request(
    asked: string | HttpsRequest,
    call: ApiCall,
    { signal }: CallOptions,
    alsoAccepted: readonly number[] = [],
  ): Promise<HttpsResponse> {
    const request = typeof asked === 'string' ? ({ method: 'GET', path: asked } as const) : asked;
    let renewed = false;
    for (let attempt = 1; ; attempt += 1) {
      const access = this.#access;
      assertUsableAt(access, this.#options.clock());
      const outcome = await this.#attempt(request, signal);
      if (!('status' in outcome)) {
        await this.#waitOrThrow(outcome, attempt, undefined, signal);
      } else if (outcome.status === 200 || alsoAccepted.includes(outcome.status)) {
        return outcome;
      } else {
        const failure = errorForStatus(outcome.status, call, access);
        if (failure instanceof CredentialsRefusedError && !renewed && (await this.#renew(access))) {
          renewed = true;
          continue;
        }
        await this.#waitOrThrow(failure, attempt, outcome.headers['retry-after'], signal);
      }
    }
  }

  /** False when there is no newer access than the refused one. */
  async #renew(refused: ClusterAccess): Promise<boolean> {
    const newer = await this.#options.renewAccess(refused);
    if (newer !== undefined && newer !== this.#access) {
      this.#formerPools.push(this.#pool);
      this.#access = newer;
      this.#pool = new HttpsPool(newer);
    }
    return newer !== undefined;
  }

  async #attempt(request: HttpsRequest, signal: AbortSignal | undefined): Promise<HttpsResponse | LifeboatError> {
    const timeout = AbortSignal.timeout(this.#options.timeoutMilliseconds);
    try {
      return await this.#pool.send(request, signal === undefined ? timeout : AbortSignal.any([signal, timeout]));
    } catch (error) {
      signal?.throwIfAborted();
      if (error instanceof LifeboatError) return error;
      return errorForConnection(error, timeout.aborted, this.#access);
    }
  }

  async #waitOrThrow(
    failure: LifeboatError,
    attempt: number,
    retryAfter: string | undefined,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    if (failure.kind !== 'transient' || attempt >= this.#options.attempts) throw failure;
    const asked = Number(retryAfter ?? 0) * 1000;
    const backOff = Math.random() * this.#options.firstWaitMilliseconds * 2 ** (attempt - 1);
    const wait = Math.min(LONGEST_WAIT_MILLISECONDS, backOff + (Number.isFinite(asked) ? asked : 0));
    await delay(wait, undefined, signal === undefined ? {} : { signal }).catch(() => signal?.throwIfAborted());
  }

  #parse<T>(schema: z.ZodType<T>, response: HttpsResponse): T {
    const parsed = schema.safeParse(parseJson(response.body));
    if (parsed.success) return parsed.data;
    throw notAnApiServer(this.#access, 'its answer is not an object of Kubernetes');
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function groupVersionPath(apiVersion: string): string {
  return `/${apiVersion.includes('/') ? 'apis' : 'api'}/${apiVersion}`;
}

function collectionPath(apiVersion: string, resource: ServedResource, namespace: string | undefined): string {
  const scope = resource.namespaced && namespace !== undefined ? `/namespaces/${encodeURIComponent(namespace)}` : '';
  return `${groupVersionPath(apiVersion)}${scope}/${resource.plural}`;
}

function discoveryCall(path: string): ApiCall {
  return { verbs: ['get'], group: '', resource: path, namespace: undefined, name: undefined };
}

function callTo(
  verb: string,
  apiVersion: string,
  resource: ServedResource,
  namespace: string | undefined,
  ...furtherVerbs: readonly string[]
): Omit<ApiCall, 'name'> & { name: undefined } {
  const [group] = apiVersion.includes('/') ? apiVersion.split('/') : [''];
  return {
    verbs: [verb, ...furtherVerbs],
    group: group ?? '',
    resource: resource.plural,
    namespace: resource.namespaced ? namespace : undefined,
    name: undefined,
  };
}
