import { Duplex } from 'node:stream';
import type { ClusterAccess } from './cluster-access.ts';
import { LARGEST_WRITE_BYTES, openPodStream, PodSocket, type PodSocketOptions } from './pod-socket.ts';
import { PortForwardChannels } from './port-forward-channels.ts';
import { errorForRuntimeText, tunnelError, type PodRoute } from './tunnel-failure.ts';

/** The port of the pod that a tunnel leads to. */
export interface PodTarget {
  readonly namespace: string;
  readonly pod: string;
  readonly port: number;
}

/** A tunnel is open when both channels have announced the port. */
export type TunnelOptions = PodSocketOptions;

const READ_AHEAD_BYTES = 1024 * 1024;

/**
 * Opens one TCP connection to a port of a pod, through the API server. The stream carries back-pressure both ways; it has
 * no half-close, and it is never reconnected: TLS inside it could not survive that. Its errors are TunnelError,
 * PermissionError, KubeconfigError, ClusterUnreachableError, or the signal's reason. The caller destroys it.
 */
export async function openPodTunnel(
  access: ClusterAccess,
  target: PodTarget,
  options: TunnelOptions = {},
): Promise<Duplex> {
  return openPodStream(access, options, (authentication) => new PodTunnel(access, authentication, target, options));
}

class PodTunnel extends Duplex {
  readonly #route: PodRoute;
  readonly #socket: PodSocket;
  readonly #channels: PortForwardChannels;
  #opened = false;
  #ending = false;

  constructor(
    access: ClusterAccess,
    authentication: Readonly<Record<string, string>>,
    { namespace, pod, port }: PodTarget,
    options: TunnelOptions,
  ) {
    super({ readableHighWaterMark: READ_AHEAD_BYTES, writableHighWaterMark: LARGEST_WRITE_BYTES });
    const description = `the tunnel to port ${port} of pod "${namespace}/${pod}"`;
    this.#route = { namespace, pod, subresource: 'portforward', description };
    this.#channels = new PortForwardChannels(port);
    const query = new URLSearchParams({ ports: String(port) });
    this.#socket = new PodSocket(access, authentication, this.#route, query, options, {
      received: (message) => {
        this.#receive(message);
      },
      closed: () => {
        if (this.#ending) this.push(null);
        else this.destroy(tunnelError(this.#route, 'the connection was closed from the other side'));
      },
      failed: (error) => {
        this.destroy(error);
      },
    });
  }

  #receive(message: Buffer): void {
    if (this.destroyed) return;
    const inbound = this.#channels.read(message);
    if (inbound === undefined) {
      this.destroy(tunnelError(this.#route, 'the answer is not that of a forwarded port'));
      return;
    }
    const { channel, payload } = inbound;
    if (channel === 'error' && payload.length > 0) {
      this.destroy(errorForRuntimeText(this.#route, payload.toString('utf8')));
      return;
    }
    if (!this.#opened && this.#channels.opened) {
      this.#opened = true;
      this.#socket.markOpened();
      this.emit('opened');
    }
    if (payload.length > 0 && !this.push(payload)) this.#socket.pause();
  }

  override _read(): void {
    this.#socket.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: (error?: Error) => void): void {
    this.#socket.write(chunk, callback);
  }

  override _final(callback: () => void): void {
    this.#ending = true;
    this.#socket.startClosing();
    callback();
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#socket.end(error !== null, () => {
      callback(error);
    });
  }
}
