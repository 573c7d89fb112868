import { Duplex } from 'node:stream';
import WebSocket, { type RawData } from 'ws';
import { assertUsableAt, authenticationHeaders, tlsOptionsFor, type ClusterAccess } from './cluster-access.ts';
import { dataMessage, PortForwardChannels } from './port-forward-channels.ts';
import {
  errorForBrokenTunnel,
  errorForHandshake,
  errorForRuntimeText,
  tunnelError,
  type PodTarget,
} from './tunnel-failure.ts';

export type { PodTarget };

export interface TunnelOptions {
  /** Ends the tunnel, also long after it was opened. */
  readonly signal?: AbortSignal;
  /** Until both channels have announced the port. */
  readonly connectTimeoutMilliseconds?: number;
  /** For the tunnel's whole life: a leaked one would hold a connection into the datastore. */
  readonly deadlineMilliseconds?: number;
  /** Load balancers cut silent connections after a minute or less; a tunnel silent for two pings is dead. */
  readonly pingMilliseconds?: number;
  readonly clock?: () => Date;
}

const SUBPROTOCOL = 'v4.channel.k8s.io';
// Go's x/net/websocket, which reads on the other side, takes a message whole into memory; 64 KiB is two TLS records.
const LARGEST_WRITE_BYTES = 64 * 1024;
const LARGEST_MESSAGE_BYTES = 4 * 1024 * 1024;
const READ_AHEAD_BYTES = 1024 * 1024;
const CLOSE_GRACE_MILLISECONDS = 1_000;

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
  assertUsableAt(access, options.clock?.() ?? new Date());
  const authentication = await authenticationHeaders(access);
  options.signal?.throwIfAborted();
  const tunnel = new PodTunnel(access, authentication, target, options);
  await new Promise<void>((resolve, reject) => {
    tunnel.once('error', reject);
    tunnel.once('opened', () => {
      tunnel.off('error', reject);
      resolve();
    });
  });
  return tunnel;
}

class PodTunnel extends Duplex {
  readonly #access: ClusterAccess;
  readonly #target: PodTarget;
  readonly #webSocket: WebSocket;
  readonly #channels: PortForwardChannels;
  readonly #signal: AbortSignal | undefined;
  readonly #timers: NodeJS.Timeout[];
  #opened = false;
  #heardSincePing = true;
  #ending = false;

  constructor(
    access: ClusterAccess,
    authentication: Readonly<Record<string, string>>,
    target: PodTarget,
    options: TunnelOptions,
  ) {
    super({ readableHighWaterMark: READ_AHEAD_BYTES, writableHighWaterMark: LARGEST_WRITE_BYTES });
    const {
      connectTimeoutMilliseconds = 15_000,
      deadlineMilliseconds = 3_600_000,
      pingMilliseconds = 20_000,
    } = options;
    this.#access = access;
    this.#target = target;
    this.#channels = new PortForwardChannels(target.port);
    this.#signal = options.signal;
    this.#webSocket = new WebSocket(portForwardUrl(access, target), [SUBPROTOCOL], {
      ...tlsOptionsFor(access),
      headers: { ...authentication, 'user-agent': 'lifeboat' },
      perMessageDeflate: false,
      maxPayload: LARGEST_MESSAGE_BYTES,
    });
    // Before the handshake ends: the preamble may come in the same packet as its answer and would be lost otherwise.
    this.#listen();
    this.#timers = [
      setTimeout(() => {
        if (!this.#opened) this.#fail('it was not open in time');
      }, connectTimeoutMilliseconds),
      setTimeout(() => {
        this.#fail('its deadline has passed');
      }, deadlineMilliseconds),
      setInterval(() => {
        this.#ping();
      }, pingMilliseconds),
    ];
    this.#signal?.addEventListener('abort', this.#abort, { once: true });
  }

  readonly #abort = (): void => {
    this.destroy(this.#signal?.reason as Error);
  };

  #listen(): void {
    this.#webSocket
      .on('message', (message, isBinary) => {
        this.#receive(message, isBinary);
      })
      .on('pong', () => {
        this.#heardSincePing = true;
      })
      .on('unexpected-response', (request, response) => {
        request.destroy();
        this.destroy(errorForHandshake(response.statusCode ?? 0, this.#target, this.#access));
      })
      .on('error', (error) => {
        this.destroy(errorForBrokenTunnel(error, this.#opened, this.#target, this.#access));
      })
      .on('close', () => {
        if (this.#ending) this.push(null);
        else this.#fail('the connection was closed from the other side');
      });
  }

  #receive(message: RawData, isBinary: boolean): void {
    if (this.destroyed) return;
    this.#heardSincePing = true;
    const inbound = isBinary && Buffer.isBuffer(message) ? this.#channels.read(message) : undefined;
    if (inbound === undefined) {
      this.#fail('the answer is not that of a forwarded port');
      return;
    }
    const { channel, payload } = inbound;
    if (channel === 'error' && payload.length > 0) {
      this.destroy(errorForRuntimeText(this.#target, payload.toString('utf8')));
      return;
    }
    if (!this.#opened && this.#channels.opened) {
      this.#opened = true;
      this.emit('opened');
    }
    if (payload.length > 0 && !this.push(payload)) this.#webSocket.pause();
  }

  #ping(): void {
    if (this.#webSocket.readyState !== WebSocket.OPEN) return;
    // While our own reader is slow nothing is read, pongs included: silence says nothing then.
    if (!this.#heardSincePing && !this.#webSocket.isPaused) {
      this.#fail('nothing was heard from the other side any more');
      return;
    }
    this.#heardSincePing = false;
    this.#webSocket.ping();
  }

  #fail(why: string): void {
    this.destroy(tunnelError(this.#target, why));
  }

  override _read(): void {
    if (!this.#webSocket.isPaused) return;
    this.#heardSincePing = true; // nothing could be heard until now
    this.#webSocket.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: (error?: Error) => void): void {
    const part = dataMessage(chunk.subarray(0, LARGEST_WRITE_BYTES));
    this.#webSocket.send(part, { binary: true }, (error) => {
      if (error) callback(errorForBrokenTunnel(error, true, this.#target, this.#access));
      else if (chunk.length <= LARGEST_WRITE_BYTES) callback();
      else this._write(chunk.subarray(LARGEST_WRITE_BYTES), 'binary', callback);
    });
  }

  override _final(callback: () => void): void {
    this.#ending = true;
    this.#webSocket.close();
    callback();
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#signal?.removeEventListener('abort', this.#abort);
    if (this.#webSocket.readyState === WebSocket.CLOSED) {
      callback(error);
      return;
    }
    const grace = setTimeout(() => {
      this.#webSocket.terminate();
    }, CLOSE_GRACE_MILLISECONDS);
    this.#webSocket.once('close', () => {
      clearTimeout(grace);
      callback(error);
    });
    if (error === null && this.#webSocket.readyState !== WebSocket.CONNECTING) {
      this.#webSocket.resume(); // or the answer to our closing would stay unread
      this.#webSocket.close();
    } else {
      this.#webSocket.terminate();
    }
  }
}

function portForwardUrl({ server }: ClusterAccess, { namespace, pod, port }: PodTarget): string {
  const base = server.replace(/^https:/, 'wss:');
  const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods/${encodeURIComponent(pod)}/portforward`;
  return `${base}${path}?ports=${port}`;
}
