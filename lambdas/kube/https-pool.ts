import { Agent, request } from 'node:https';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { authenticationHeaders, tlsOptionsFor, type ClusterAccess } from './cluster-access.ts';

/** A whole answer; `body` is the undecoded text. */
export interface HttpsResponse {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** What is asked; `path` is absolute below the server's address. */
export interface HttpsRequest {
  readonly method: 'GET' | 'POST' | 'PATCH';
  readonly path: string;
  /** Sent as JSON. */
  readonly body?: unknown;
  /** Of the body, where it is not plain JSON. */
  readonly contentType?: string;
}

/** The one pool of keep-alive connections to an API server. Its errors are Node's own: translate them. */
export class HttpsPool {
  readonly #access: ClusterAccess;
  readonly #agent: Agent;

  constructor(access: ClusterAccess) {
    this.#access = access;
    this.#agent = new Agent({ ...tlsOptionsFor(access), keepAlive: true, maxSockets: 8 });
  }

  /** The signal covers everything up to the last byte of the answer. */
  async send({ method, path, body, contentType }: HttpsRequest, signal: AbortSignal): Promise<HttpsResponse> {
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
    });
    const chunks: Buffer[] = [];
    for await (const chunk of response as AsyncIterable<Buffer>) chunks.push(chunk);
    return {
      status: response.statusCode ?? 0,
      headers: response.headers,
      body: Buffer.concat(chunks).toString('utf8'),
    };
  }

  close(): void {
    this.#agent.destroy();
  }
}
