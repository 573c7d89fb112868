import { once } from 'node:events';
import { createServer, request as sendRequest } from 'node:https';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { ApiServer } from '../../testbed/api-server.ts';
import { issueCertificate, type CertificateRequest } from '../../testbed/certificates.ts';

/** Stands before an API server and passes requests on with an administrator's certificate. */
export interface ApiFront {
  readonly port: number;
  /** Of all requests that came. */
  readonly paths: readonly string[];
  readonly connections: () => number;
  readonly stop: () => Promise<void>;
}

export interface Interference {
  /** True for a request that it has answered itself, or that is to stay without an answer. */
  readonly answer?: (request: IncomingMessage, response: ServerResponse) => boolean;
  /** True for a request that is passed on, and whose answer is then lost with the connection. */
  readonly loseAnswer?: (request: IncomingMessage) => boolean;
  /** Of the server certificate; those of loopback when left out. */
  readonly names?: Pick<CertificateRequest, 'dnsNames' | 'ipAddresses'>;
}

/** Starts it on a free port of loopback; TLS ends there, with a certificate that the API server's authority vouches for. */
export async function startApiFront(
  server: ApiServer,
  { answer = () => false, loseAnswer = () => false, names = { ipAddresses: ['127.0.0.1'] } }: Interference,
): Promise<ApiFront> {
  const own = issueCertificate(server.authority, { commonName: 'front', ...names });
  const client = issueCertificate(server.authority, {
    commonName: 'administrator',
    organizations: ['system:masters'],
  });
  const paths: string[] = [];
  let connections = 0;
  const front = createServer({ cert: own.certificate, key: own.key }, (request, response) => {
    paths.push(request.url ?? '');
    if (answer(request, response)) return;
    const lost = loseAnswer(request);
    const { method, url: path = '', headers } = request;
    const passed = sendRequest(
      {
        host: '127.0.0.1',
        port: server.port,
        method,
        path,
        // By the name in this header Node asks for the certificate, and it may be any.
        headers: { ...headers, host: '127.0.0.1' },
        ca: server.authority.certificate,
        cert: client.certificate,
        key: client.key,
      },
      (answered) => {
        if (lost) {
          answered.resume().once('end', () => response.socket?.destroy());
          return;
        }
        response.writeHead(answered.statusCode ?? 502, answered.headers);
        answered.pipe(response);
      },
    );
    request.pipe(passed.on('error', () => response.destroy()));
  });
  front.on('secureConnection', () => (connections += 1));
  front.listen(0, '127.0.0.1');
  await once(front, 'listening');
  return {
    port: (front.address() as AddressInfo).port,
    paths,
    connections: () => connections,
    stop: async () => {
      front.closeAllConnections();
      front.close();
      await once(front, 'close');
    },
  };
}
