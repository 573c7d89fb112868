import { setTimeout as delay } from 'node:timers/promises';
import type * as z from 'zod';
import { LifeboatError } from '../domain/errors.ts';
import { awaitAnswer, type Awaited } from '../domain/silence.ts';
import {
  CredentialsRefusedError,
  describeCall,
  errorForConnection,
  errorForStatus,
  notAnApiServer,
  type ApiCall,
} from './api-failure.ts';
import { assertUsableAt, type ClusterAccess } from './cluster-access.ts';
import { HttpsPool, type HttpsRequest, type HttpsResponse, type OpenSocket } from './https-pool.ts';
import { parseJson } from './json.ts';

export interface CallOptions {
  readonly signal?: AbortSignal;
}

/** Bounds of every call; the defaults suit an API server across the Internet. */
export interface ApiRequestOptions {
  /** For one attempt, up to the last byte of its answer. */
  readonly timeoutMilliseconds?: number;
  readonly attempts?: number;
  /** Upper bound of the first wait between attempts; doubles with each, up to {@link LONGEST_WAIT_MILLISECONDS}. */
  readonly firstWaitMilliseconds?: number;
  readonly clock?: () => Date;
  /** Asked once in a call when the credentials are refused; undefined: there are no newer ones. */
  readonly renewAccess?: (refused: ClusterAccess) => Promise<ClusterAccess | undefined>;
  /**
   * Where the API server can't be reached at its address: opens a stream to it for each connection, e.g. a tunnel to its pod,
   * inside of which TLS is spoken as if with that address. The stream's own LifeboatErrors are the call's.
   */
  readonly openSocket?: OpenSocket;
}

// Also bounds what a Retry-After may ask for, so that a confused proxy can't hold a Lambda until its time is up.
const LONGEST_WAIT_MILLISECONDS = 10_000;

/** Requests to one API server: over one pool of connections, in bounded time, again when that may help. */
export class ApiRequests {
  #access: ClusterAccess;
  #pool: HttpsPool;
  /** Of former credentials; calls may still be under way. */
  readonly #formerPools: HttpsPool[] = [];
  readonly #openSocket: OpenSocket | undefined;
  readonly #options: Required<Omit<ApiRequestOptions, 'openSocket'>>;

  constructor(access: ClusterAccess, { openSocket, ...options }: ApiRequestOptions) {
    this.#access = access;
    this.#openSocket = openSocket;
    this.#pool = new HttpsPool(access, openSocket);
    this.#options = {
      timeoutMilliseconds: 15_000,
      attempts: 4,
      firstWaitMilliseconds: 250,
      clock: () => new Date(),
      renewAccess: () => Promise.resolve(undefined),
      ...options,
    };
  }

  /** As it is now; credentials are renewed when they are refused. */
  get access(): ClusterAccess {
    return this.#access;
  }

  get attempts(): number {
    return this.#options.attempts;
  }

  /** The answer when it is 200 or one of `alsoAccepted`; retries what may pass, translates everything else. */
  async send(
    asked: string | HttpsRequest,
    call: ApiCall,
    { signal }: CallOptions,
    alsoAccepted: readonly number[] = [],
  ): Promise<HttpsResponse> {
    const request = typeof asked === 'string' ? ({ method: 'GET', path: asked } as const) : asked;
    return await awaitAnswer(`the API server ${this.#access.server} (${describeCall(call)})`, (awaited) =>
      this.#sendUntilAnswered(request, call, signal, alsoAccepted, awaited),
    );
  }

  async #sendUntilAnswered(
    request: HttpsRequest,
    call: ApiCall,
    signal: AbortSignal | undefined,
    alsoAccepted: readonly number[],
    awaited: Awaited,
  ): Promise<HttpsResponse> {
    let renewed = false;
    for (let attempt = 1; ; attempt += 1) {
      const access = this.#access;
      assertUsableAt(access, this.#options.clock());
      const outcome = await this.#attempt(request, signal, awaited);
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

  /** What must be in an answer. */
  parse<T>(schema: z.ZodType<T>, response: HttpsResponse): T {
    const parsed = schema.safeParse(parseJson(response.body));
    if (parsed.success) return parsed.data;
    throw notAnApiServer(this.#access, 'its answer is not an object of Kubernetes');
  }

  /** Closes the connections; calls still under way fail. */
  close(): void {
    for (const pool of [this.#pool, ...this.#formerPools]) pool.close();
  }

  /** False when there is no newer access than the refused one. */
  async #renew(refused: ClusterAccess): Promise<boolean> {
    const newer = await this.#options.renewAccess(refused);
    if (newer !== undefined && newer !== this.#access) {
      this.#formerPools.push(this.#pool);
      this.#access = newer;
      this.#pool = new HttpsPool(newer, this.#openSocket);
    }
    return newer !== undefined;
  }

  async #attempt(
    request: HttpsRequest,
    signal: AbortSignal | undefined,
    awaited: Awaited,
  ): Promise<HttpsResponse | LifeboatError> {
    const timeout = AbortSignal.timeout(this.#options.timeoutMilliseconds);
    const ending = signal === undefined ? timeout : AbortSignal.any([signal, timeout]);
    try {
      return await this.#pool.send(request, ending, awaited);
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
}
