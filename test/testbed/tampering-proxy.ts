import { once } from 'node:events';
import {
  connect as connectHttp2,
  createSecureServer,
  type IncomingHttpHeaders,
  type ServerHttp2Stream,
} from 'node:http2';
import { connect, type AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { issueCertificate } from './certificates.ts';
import type { SecureEtcd } from './secure-etcd.ts';

/** Stands before an etcd member with a certificate of its authority and flips one bit of every snapshot. */
export interface TamperingProxy {
  open(): Promise<Duplex>;
  stop(): Promise<void>;
}

/** `offsetBytes` counts from the begin of the snapshot's stream, gRPC's framing included. */
export async function startTamperingProxy(etcd: SecureEtcd, pod: string, offsetBytes: number): Promise<TamperingProxy> {
  const { ca, certificate, key } = etcd.workload.tls;
  const upstream = connectHttp2(`https://localhost:${etcd.clientPort(pod)}`, {
    ca,
    cert: certificate,
    key: key.reveal(),
  });
  const own = issueCertificate(etcd.authority, { commonName: 'proxy', dnsNames: ['localhost'] });
  const server = createSecureServer({ cert: own.certificate, key: own.key });
  server.on('stream', (client: ServerHttp2Stream, { ':path': path = '', ':method': method }) => {
    const call = upstream.request({
      ':method': method,
      ':path': path,
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    call.on('response', (answer) => {
      client.respond(answer, { waitForTrailers: true });
    });
    let trailers: IncomingHttpHeaders = {};
    call.on('trailers', (sent: IncomingHttpHeaders) => (trailers = sent));
    client.on('wantTrailers', () => {
      client.sendTrailers(trailers);
    });
    let passedBytes = 0;
    call.on('data', (chunk: Buffer) => {
      const index = offsetBytes - passedBytes;
      passedBytes += chunk.length;
      if (path.endsWith('/Snapshot') && index >= 0 && index < chunk.length) chunk[index] = (chunk[index] ?? 0) ^ 1;
      client.write(chunk);
    });
    call.on('end', () => client.end());
    for (const side of [client, call]) side.on('error', () => undefined);
    client.on('data', (chunk: Buffer) => call.write(chunk));
    client.on('end', () => call.end());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    open: async () => {
      const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
      await once(socket, 'connect');
      return socket;
    },
    stop: async () => {
      upstream.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
