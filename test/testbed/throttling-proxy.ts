import { once } from 'node:events';
import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { createServer, request, type RequestOptions } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { issueCertificate } from './certificates.ts';
import type { ManagementCluster } from './management-cluster.ts';
import { parseKubeconfig } from './kubeconfig.ts';

const REFUSAL = { kind: 'Status', apiVersion: 'v1', status: 'Failure', reason: 'TooManyRequests', code: 429 };

/**
 * Ends TLS before a cluster's API server, with a certificate that the cluster's CA vouches for, and answers some requests
 * as an overloaded API server does. Who asks has to come with a token: client certificates end here.
 */
export interface ThrottlingProxy {
  /** `https://127.0.0.1:<port>` */
  readonly server: string;
  /** How many requests were refused since the last call of `refuse`. */
  readonly refused: number;
  /** Answers the next so many requests, or those whose path has a text in it, with 429 and Retry-After. */
  refuse(times: number, pathPart?: string): void;
  stop(): Promise<void>;
}

export async function startThrottlingProxy(cluster: ManagementCluster): Promise<ThrottlingProxy> {
  const { server: target, ca } = parseKubeconfig(cluster.kubeconfig);
  const { certificate, key } = issueCertificate(cluster.authority, {
    commonName: 'throttling-proxy',
    ipAddresses: ['127.0.0.1'],
  });
  let left = 0;
  let refused = 0;
  let part = '';

  const isRefused = ({ url = '' }: IncomingMessage): boolean => {
    if (left === 0 || !url.includes(part)) return false;
    left -= 1;
    refused += 1;
    return true;
  };
  const optionsFor = ({ method, headers }: IncomingMessage): RequestOptions => ({ method, headers, ca, agent: false });

  const server = createServer({ cert: certificate, key }, (incoming: IncomingMessage, outgoing: ServerResponse) => {
    if (isRefused(incoming)) {
      incoming.resume();
      outgoing.writeHead(429, { 'retry-after': '1', 'content-type': 'application/json' });
      outgoing.end(JSON.stringify(REFUSAL));
      return;
    }
    const forwarded = request(`${target}${incoming.url ?? ''}`, optionsFor(incoming), (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
      pipeline(answer, outgoing).catch(() => outgoing.destroy());
    });
    pipeline(incoming, forwarded).catch(() => outgoing.destroy());
  });
  server.on('upgrade', (incoming: IncomingMessage, socket: Duplex, head: Buffer) => {
    if (isRefused(incoming)) {
      socket.end(responseHead(429, 'Too Many Requests', { 'retry-after': '1', 'content-length': '0' }));
      return;
    }
    request(`${target}${incoming.url ?? ''}`, optionsFor(incoming))
      .on('upgrade', (answer, upstream, upstreamHead) => {
        socket.write(responseHead(101, 'Switching Protocols', answer.headers));
        socket.write(upstreamHead);
        upstream.write(head);
        for (const [from, to] of [
          [socket, upstream],
          [upstream, socket],
        ] as const) {
          pipeline(from, to).catch(() => to.destroy());
        }
      })
      .on('error', () => socket.destroy())
      .end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    server: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get refused() {
      return refused;
    },
    refuse: (times, pathPart = '') => {
      left = times;
      refused = 0;
      part = pathPart;
    },
    stop: async () => {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

function responseHead(status: number, reason: string, headers: OutgoingHttpHeaders): string {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${String(value)}`);
  return [`HTTP/1.1 ${status} ${reason}`, ...lines, '', ''].join('\r\n');
}
