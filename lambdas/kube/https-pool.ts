import { Agent, request } from 'node:https';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { authenticationHeaders, tlsOptionsFor, type ClusterAccess } from './cluster-access.ts';

/** A whole answer; `body` is the undecoded text. */
export interface HttpsResponse {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** The one pool of keep-alive connections to an API server. Its errors are Node's own: translate them. */
export class HttpsPool {
  readonly #access: ClusterAccess;
  readonly #agent: Agent;

  constructor(access: ClusterAccess) {
    this.#access = access;
    this.#agent = new Agent({ ...tlsOptionsFor(access), keepAlive: true, maxSockets: 8 });
  }

  /** `path` is absolute below the server's address. The signal covers everything up to the last byte of the answer. */
  async get(path: string, signal: AbortSignal): Promise<HttpsResponse> {
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      request(`${this.#access.server}${path}`, {
        agent: this.#agent,
        signal,
        headers: { ...authenticationHeaders(this.#access), accept: 'application/json', 'user-agent': 'lifeboat' },
      })
        .on('response', resolve)
        .on('error', reject)
        .end();
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
