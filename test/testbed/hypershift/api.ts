import { Agent, request } from 'node:https';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import type { SecureContextOptions } from 'node:tls';
import { parseKubeconfig } from '../kubeconfig.ts';
import type { KubeObject, Resource } from './resources.ts';

const REQUEST_TIMEOUT_MS = 10_000;

/** The API server answered, but not with success. */
class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

function pathOf(resource: Resource<KubeObject>, namespace?: string, name?: string): string {
  const group = resource.apiVersion.includes('/') ? `/apis/${resource.apiVersion}` : `/api/${resource.apiVersion}`;
  const scope = namespace === undefined ? '' : `/namespaces/${namespace}`;
  return `${group}${scope}/${resource.plural}${name === undefined ? '' : `/${name}`}`;
}

/** undefined for a line that the end of the watch has cut off: the next watch tells of all objects again. */
function parseEvent(line: string): { readonly object: KubeObject } | undefined {
  try {
    return JSON.parse(line) as { object: KubeObject };
  } catch {
    return undefined;
  }
}

/** Just enough of the Kubernetes API for the twin; its own, so that a fault of the product's client cannot hide in it. */
export class KubeApi {
  readonly #server: string;
  readonly #options: SecureContextOptions;
  readonly #agent: Agent;

  private constructor(server: string, options: SecureContextOptions) {
    this.#server = server;
    this.#options = options;
    this.#agent = new Agent({ ...options, keepAlive: true, maxSockets: 8 });
  }

  /** With a kubeconfig as the test bed and the twin write them: one context, a client certificate, all embedded. */
  static connect(kubeconfig: string): KubeApi {
    const { server, ...credentials } = parseKubeconfig(kubeconfig);
    return new KubeApi(server, credentials);
  }

  close(): void {
    this.#agent.destroy();
  }

  async get<T extends KubeObject>(
    resource: Resource<T>,
    namespace: string | undefined,
    name: string,
  ): Promise<T | undefined> {
    return this.#unless404(this.#call<T>('GET', pathOf(resource, namespace, name)));
  }

  /** Every object of the kind; empty as well when the server does not know the kind. */
  async list<T extends KubeObject>(resource: Resource<T>, namespace?: string, labelSelector?: string): Promise<T[]> {
    const query = labelSelector === undefined ? '' : `?labelSelector=${encodeURIComponent(labelSelector)}`;
    const answer = await this.#unless404(this.#call<{ items: T[] }>('GET', pathOf(resource, namespace) + query));
    // Items of a list come without apiVersion and kind.
    return (answer?.items ?? []).map((item) => ({ ...item, apiVersion: resource.apiVersion, kind: resource.kind }));
  }

  /** Whether `/readyz` answers with success; false also when nobody answers. */
  async isReady(): Promise<boolean> {
    return this.#send('GET', '/readyz', '', '').then(
      ({ status }) => status === 200,
      () => false,
    );
  }

  async serves(apiVersion: string): Promise<boolean> {
    return (await this.#unless404(this.#call('GET', `/apis/${apiVersion}`))) !== undefined;
  }

  async create<T extends KubeObject>(resource: Resource<T>, object: T): Promise<T> {
    return this.#call<T>('POST', pathOf(resource, object.metadata.namespace), object);
  }

  /** Creates the object unless one of its name is there, also when somebody else creates it at the same moment. */
  async ensure(resource: Resource<KubeObject>, object: KubeObject): Promise<void> {
    try {
      await this.create(resource, object);
    } catch (error) {
      if (!(error instanceof ApiError && error.status === 409)) throw error;
    }
  }

  async replace<T extends KubeObject>(resource: Resource<T>, object: T): Promise<T> {
    return this.#call<T>('PUT', pathOf(resource, object.metadata.namespace, object.metadata.name), object);
  }

  async replaceStatus<T extends KubeObject>(resource: Resource<T>, object: T): Promise<T> {
    return this.#call<T>('PUT', `${pathOf(resource, object.metadata.namespace, object.metadata.name)}/status`, object);
  }

  /** JSON merge patch of the object as it was read: a change since then is a conflict (409). */
  async patch<T extends KubeObject>(resource: Resource<T>, object: T, patch: Record<string, unknown>): Promise<T> {
    const metadata = { ...(patch['metadata'] as object | undefined), resourceVersion: object.metadata.resourceVersion };
    const path = pathOf(resource, object.metadata.namespace, object.metadata.name);
    return this.#call<T>('PATCH', path, { ...patch, metadata }, 'application/merge-patch+json');
  }

  /** Asks for deletion; that the object is gone already is fine. */
  async delete(resource: Resource<KubeObject>, namespace: string | undefined, name: string): Promise<void> {
    const options = { propagationPolicy: 'Background' };
    await this.#unless404(this.#call('DELETE', pathOf(resource, namespace, name), options));
  }

  /**
   * Calls back with every object of the kind, and again with each that is made, changed or removed, until the signal aborts; resolves
   * when the server ends the watch.
   */
  async watch(
    resource: Resource<KubeObject>,
    onChange: (object: KubeObject) => void,
    signal: AbortSignal,
  ): Promise<void> {
    const url = `${this.#server}${pathOf(resource)}?watch=true`;
    await new Promise<void>((resolve) => {
      const call = request(url, { ...this.#options, agent: false, signal }, (response) => {
        if (response.statusCode === 200) {
          createInterface({ input: response, crlfDelay: Infinity })
            .on('line', (line) => {
              const event = parseEvent(line);
              if (event !== undefined) onChange(event.object);
            })
            .on('error', () => undefined);
        } else response.resume();
        response.on('error', resolve).on('close', resolve);
      });
      call
        .on('error', () => {
          resolve();
        })
        .end();
    });
  }

  async #unless404<T>(answer: Promise<T>): Promise<T | undefined> {
    try {
      return await answer;
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) return undefined;
      throw error;
    }
  }

  async #call<T>(method: string, path: string, body?: unknown, contentType = 'application/json'): Promise<T> {
    const { status, answer } = await this.#send(
      method,
      path,
      body === undefined ? '' : JSON.stringify(body),
      contentType,
    );
    if (status >= 300) throw new ApiError(status, `${method} ${path}: ${status} ${statusMessage(answer)}`);
    return JSON.parse(answer) as T;
  }

  async #send(
    method: string,
    path: string,
    body: string,
    contentType: string,
  ): Promise<{ status: number; answer: string }> {
    const options = {
      agent: this.#agent,
      method,
      signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
      headers: {
        accept: 'application/json',
        // Without its length Node sends the body of a DELETE as if it were the next request.
        ...(body === '' ? {} : { 'content-type': contentType, 'content-length': Buffer.byteLength(body) }),
      },
    };
    return new Promise((resolve, reject) => {
      const call = request(this.#server + path, options, (response) => {
        text(response).then((answer) => {
          resolve({ status: response.statusCode ?? 0, answer });
        }, reject);
      });
      call.on('error', reject).end(body);
    });
  }
}

function statusMessage(body: string): string {
  try {
    return (JSON.parse(body) as { message: string }).message;
  } catch {
    return 'the answer is not JSON';
  }
}
