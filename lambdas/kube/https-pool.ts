import { Agent, request } from 'node:https';
import type { ClientRequest, ClientRequestArgs, IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import pLimit from 'p-limit';
import type { Awaited } from '../domain/silence.ts';
import { authenticationHeaders, tlsOptionsFor, type ClusterAccess } from './cluster-access.ts';

/** A whole answer; `body` is the undecoded text. */
export interface HttpsResponse {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** What is asked; `path` is absolute below the server's address. */
export interface HttpsRequest {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  readonly path: string;
  /** Sent as JSON. */
  readonly body?: unknown;
  /** Of the body, where it is not plain JSON. */
  readonly contentType?: string;
}

/** Opens a stream that ends where the API server listens; the signal ends the stream, also long after it was opened. */
export type OpenSocket = (signal: AbortSignal) => Promise<Duplex>;

const MOST_CONNECTIONS = 8;

/** The one pool of keep-alive connections to an API server. Its errors are Node's own and the streams': translate them. */
export class HttpsPool {
  readonly #access: ClusterAccess;
  readonly #agent: Agent;
  readonly #closing = new AbortController();
  // Not the agent's own limit, which does not count connections that are still being made.
  readonly #limit = pLimit(MOST_CONNECTIONS);

  constructor(access: ClusterAccess, openSocket?: OpenSocket) {
    this.#access = access;
    this.#agent =
      openSocket === undefined
        ? new Agent({ ...tlsOptionsFor(access), keepAlive: true })
        : new StreamAgent(access, () => openSocket(this.#closing.signal));
  }

  /** The signal covers everything up to the last byte of the answer; `awaited` hears of each piece of it. */
  async send(request: HttpsRequest, signal: AbortSignal, awaited: Awaited): Promise<HttpsResponse> {
    return this.#limit(() => {
      for (const ending of [signal, this.#closing.signal]) ending.throwIfAborted();
      return this.#sendNow(request, signal, awaited);
    });
  }

  async #sendNow(
    { method, path, body, contentType }: HttpsRequest,
    signal: AbortSignal,
    awaited: Awaited,
  ): Promise<HttpsResponse> {
    const authentication = await authenticationHeaders(this.#access);
    const payload = body === undefined ? undefined : JSON.stringify(body);
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      request(`${this.#access.server}${path}`, {
        method,
        agent: this.#agent,
        signal,
        headers: {
          ...authentication,
          accept: 'application/json',
          'user-agent': 'lifeboat',
          ...(payload !== undefined && {
            'content-type': contentType ?? 'application/json',
            'content-length': Buffer.byteLength(payload),
          }),
        },
      })
        .on('response', resolve)
        .on('error', reject)
        .end(payload);
      // A request whose connection is gone before it has heard of it does not even hear of the signal.
      const giveUp = (): void => {
        reject(signal.reason as Error);
      };
      signal.addEventListener('abort', giveUp, { once: true });
    });
    awaited.heard();
    const chunks: Buffer[] = [];
    for await (const chunk of response as AsyncIterable<Buffer>) {
      awaited.heard();
      chunks.push(chunk);
    }
    return {
      status: response.statusCode ?? 0,
      headers: response.headers,
      body: Buffer.concat(chunks).toString('utf8'),
    };
  }

  close(): void {
    this.#agent.destroy();
    this.#closing.abort(new Error('the connections to the API server were closed'));
  }
}

/** Speaks TLS inside of streams that somebody else opens. */
class StreamAgent extends Agent {
  readonly #access: ClusterAccess;
  readonly #openStream: () => Promise<Duplex>;
  readonly #streams = new WeakMap<Duplex, Duplex>();

  constructor(access: ClusterAccess, openStream: () => Promise<Duplex>) {
    super({ keepAlive: true });
    this.#access = access;
    this.#openStream = openStream;
  }

  override createConnection(
    _: ClientRequestArgs,
    callback: (error: Error | null, stream: Duplex) => void = () => undefined,
  ): undefined {
    // Node takes no stream where there is an error, which its type does not know.
    const fail = callback as (error: unknown) => void;
    this.#openStream().then((stream) => {
      if (stream.destroyed) {
        fail(connectionCut());
        return;
      }
      const tls = connectInside(stream, this.#access);
      this.#streams.set(tls, stream);
      callback(null, tls);
    }, fail);
  }

  override reuseSocket(tls: Duplex, request: ClientRequest): void {
    // A stream says that it is gone one turn later than it is, which the request would miss and wait for ever.
    if (this.#streams.get(tls)?.destroyed === true) request.destroy(connectionCut());
    super.reuseSocket(tls, request);
  }
}

function connectionCut(): Error {
  return Object.assign(new Error('the stream to the API server is gone'), { code: 'ECONNRESET' });
}

function connectInside(stream: Duplex, access: ClusterAccess): TLSSocket {
  const { hostname } = new URL(access.server);
  const tls = connectTls({ host: hostname.replace(/^\[|\]$/g, ''), ...tlsOptionsFor(access), socket: stream });
  // TLS over a stream that is no net.Socket does not hear of its end by itself, nor the stream of that of TLS.
  stream.on('error', (error) => tls.destroy(error)).once('close', () => tls.destroy());
  return tls.once('close', () => stream.destroy());
}
