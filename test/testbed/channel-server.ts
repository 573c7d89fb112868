import { once } from 'node:events';
import { createServer, type Server } from 'node:https';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { WebSocketServer, type WebSocket } from 'ws';
import { createAuthority, issueCertificate } from './certificates.ts';
import { renderKubeconfig } from './kubeconfig.ts';

/** A message of the subprotocol, in either direction. */
export function channelMessage(channel: number, payload: Uint8Array | string = ''): Buffer {
  return Buffer.concat([Buffer.from([channel]), Buffer.from(payload)]);
}

/**
 * Speaks `v4.channel.k8s.io` as a container runtime does behind an API server, and does wrong what a test asks for. It
 * stands in for shapes of failure only; that the real thing is spoken to is shown on the test bed.
 */
export class ChannelServer {
  /** Of a client with a certificate that the server accepts. */
  readonly kubeconfig: string;
  /** Requests that came, and all that is still open. */
  readonly requests: IncomingMessage[] = [];
  readonly #server: Server;
  readonly #webSockets: WebSocketServer;

  private constructor(server: Server, webSockets: WebSocketServer, kubeconfig: string) {
    this.#server = server;
    this.#webSockets = webSockets;
    this.kubeconfig = kubeconfig;
  }

  /** `refuse` answers the handshake instead of accepting it, when it gives a status. */
  static async start(
    serve: (socket: WebSocket) => void,
    refuse: () => number | undefined = () => undefined,
  ): Promise<ChannelServer> {
    const authority = createAuthority('kubernetes');
    const { certificate, key } = issueCertificate(authority, { commonName: 'server', ipAddresses: ['127.0.0.1'] });
    const server = createServer({
      cert: certificate,
      key,
      ca: authority.certificate,
      requestCert: true,
      rejectUnauthorized: true,
    });
    const webSockets = new WebSocketServer({
      noServer: true,
      perMessageDeflate: true,
      handleProtocols: (offered) => (offered.has('v4.channel.k8s.io') ? 'v4.channel.k8s.io' : false),
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const kubeconfig = renderKubeconfig({
      cluster: 'loopback',
      user: 'lifeboat',
      server: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
      certificateAuthority: authority.certificate,
      client: issueCertificate(authority, { commonName: 'lifeboat' }),
    });
    const started = new ChannelServer(server, webSockets, kubeconfig);
    server.on('upgrade', (request, socket, head) => {
      started.requests.push(request);
      const status = refuse();
      if (status === undefined) webSockets.handleUpgrade(request, socket, head, serve);
      else if (status > 0) socket.end(`HTTP/1.1 ${status} Refused\r\ncontent-length: 13\r\n\r\nplanted-text!`);
    });
    server.on('request', (_: IncomingMessage, response: ServerResponse) => response.writeHead(404).end());
    return started;
  }

  get openSockets(): number {
    return this.#webSockets.clients.size;
  }

  async stop(): Promise<void> {
    for (const client of this.#webSockets.clients) client.terminate();
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }
}
