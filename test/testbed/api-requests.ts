import { readFile } from 'node:fs/promises';
import { Agent, request } from 'node:https';
import { TestbedError } from './errors.ts';
import { parseKubeconfig } from './kubeconfig.ts';
import { waitFor } from './waiting.ts';

export interface ApiResponse {
  readonly status: number;
  readonly body: string;
}

/**
 * Plain requests to a cluster's API server, one connection each: a start polls many times, and kubectl takes a tenth of
 * a second of processor time for each.
 */
export class ApiRequests {
  readonly server: string;
  readonly #agent: Agent;

  private constructor(server: string, agent: Agent) {
    this.server = server;
    this.#agent = agent;
  }

  static async fromKubeconfig(path: string): Promise<ApiRequests> {
    const { server, ca, cert, key } = parseKubeconfig(await readFile(path, 'utf8'));
    return new ApiRequests(server, new Agent({ keepAlive: false, ca, cert, key }));
  }

  /** Sends one request; undefined when the server does not answer within ten seconds, or not at all. */
  async send(method: 'GET' | 'POST', path: string, body?: object): Promise<ApiResponse | undefined> {
    return new Promise((resolve) => {
      const outgoing = request(`${this.server}${path}`, {
        method,
        agent: this.#agent,
        headers: { accept: 'application/json', ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
        timeout: 10_000,
      });
      outgoing.once('timeout', () => outgoing.destroy());
      outgoing.once('error', () => {
        resolve(undefined);
      });
      outgoing.once('response', (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.once('error', () => {
          resolve(undefined);
        });
        response.once('end', () => {
          resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString('utf8') });
        });
      });
      outgoing.end(body === undefined ? undefined : JSON.stringify(body));
    });
  }

  async isOk(path: string): Promise<boolean> {
    return (await this.send('GET', path))?.status === 200;
  }

  /** Creates an object unless it is there; again while there is no answer. TestbedError when the server refuses. */
  async create(path: string, object: object): Promise<void> {
    const response = await waitFor(`${this.server}${path}`, () => this.send('POST', path, object), {
      timeoutSeconds: 60,
    });
    if (response.status !== 201 && response.status !== 409) {
      throw new TestbedError(`${this.server} did not create an object at ${path}: ${response.body}`);
    }
  }
}
