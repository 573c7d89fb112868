import { once } from 'node:events';
import type { Writable } from 'node:stream';
import WebSocket, { type RawData } from 'ws';
import { startWaiting, type Awaited } from '../domain/silence.ts';
import { inboundMessage, SUBPROTOCOL } from './channel-messages.ts';
import { assertUsableAt, authenticationHeaders, tlsOptionsFor, type ClusterAccess } from './cluster-access.ts';
import { errorForBrokenTunnel, errorForHandshake, tunnelError, type PodRoute } from './tunnel-failure.ts';

export interface PodSocketOptions {
  /** Ends the connection, also long after it was opened. */
  readonly signal?: AbortSignal;
  /** Until it is open. */
  readonly connectTimeoutMilliseconds?: number;
  /** For the connection's whole life: a leaked one would hold a connection into the pod. */
  readonly deadlineMilliseconds?: number;
  /** Load balancers cut silent connections after a minute or less; one that is silent for two pings is dead. */
  readonly pingMilliseconds?: number;
  readonly clock?: () => Date;
}

/** The stream that speaks through a {@link PodSocket}. */
export interface PodSocketUser {
  /** The handshake has ended well. */
  readonly connected?: () => void;
  /** A whole message, with its channel's number. */
  readonly received: (message: Buffer) => void;
  /** The other side has closed the connection, or has answered to our closing. */
  readonly closed: () => void;
  /** It is of no use any more: an error of ours, or the reason of the signal. */
  readonly failed: (error: Error) => void;
}

/** The largest payload of a message: Go's x/net/websocket takes one whole into memory; 64 KiB is two TLS records. */
export const LARGEST_WRITE_BYTES = 64 * 1024;
const LARGEST_MESSAGE_BYTES = 4 * 1024 * 1024;
const CLOSE_GRACE_MILLISECONDS = 1_000;
/** Asks so often for a sign of life that even a connection over which nothing is said is heard of before its silence is told. */
const PROBE_MILLISECONDS = 2_000;

/**
 * Makes the stream over a pod's socket and waits for its event `opened`. The stream destroys itself when that does not come;
 * afterwards its caller does.
 */
export async function openPodStream<T extends Writable>(
  access: ClusterAccess,
  { signal, clock }: PodSocketOptions,
  make: (authentication: Readonly<Record<string, string>>) => T,
): Promise<T> {
  assertUsableAt(access, clock?.() ?? new Date());
  const authentication = await authenticationHeaders(access);
  signal?.throwIfAborted();
  const stream = make(authentication);
  await once(stream, 'opened');
  return stream;
}

/** One WebSocket to a pod through the API server, with its pings, time limits and the meaning of its failures. */
export class PodSocket {
  readonly #access: ClusterAccess;
  readonly #route: PodRoute;
  readonly #user: PodSocketUser;
  readonly #webSocket: WebSocket;
  readonly #signal: AbortSignal | undefined;
  readonly #timers: NodeJS.Timeout[];
  readonly #awaited: Awaited;
  #opened = false;
  #heardSincePing = true;
  #sending = false;
  #sendingAtPing = false;

  /** `query` is that of the route's subresource. */
  constructor(
    access: ClusterAccess,
    authentication: Readonly<Record<string, string>>,
    route: PodRoute,
    query: URLSearchParams,
    options: PodSocketOptions,
    user: PodSocketUser,
  ) {
    const {
      connectTimeoutMilliseconds = 15_000,
      deadlineMilliseconds = 3_600_000,
      pingMilliseconds = 20_000,
    } = options;
    this.#access = access;
    this.#route = route;
    this.#user = user;
    this.#signal = options.signal;
    this.#webSocket = new WebSocket(urlOf(access, route, query), [SUBPROTOCOL], {
      ...tlsOptionsFor(access),
      headers: { ...authentication, 'user-agent': 'lifeboat' },
      perMessageDeflate: false,
      maxPayload: LARGEST_MESSAGE_BYTES,
    });
    this.#awaited = startWaiting(route.description);
    // Before the handshake ends: the first message may come in the same packet as its answer and would be lost otherwise.
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
      setInterval(() => {
        if (this.#webSocket.readyState === WebSocket.OPEN) this.#webSocket.ping();
      }, PROBE_MILLISECONDS),
    ];
    this.#signal?.addEventListener('abort', this.#abort, { once: true });
  }

  readonly #abort = (): void => {
    this.#user.failed(this.#signal?.reason as Error);
  };

  #listen(): void {
    this.#webSocket
      .on('open', () => this.#user.connected?.())
      .on('message', (message, isBinary) => {
        this.#receive(message, isBinary);
      })
      .on('pong', () => {
        this.#hear();
      })
      .on('unexpected-response', (request, response) => {
        request.destroy();
        this.#user.failed(errorForHandshake(response.statusCode ?? 0, this.#route, this.#access));
      })
      .on('error', (error) => {
        this.#user.failed(errorForBrokenTunnel(error, this.#opened, this.#route, this.#access));
      })
      .on('close', () => {
        this.#stopWatching();
        this.#user.closed();
      });
  }

  #receive(message: RawData, isBinary: boolean): void {
    this.#hear();
    this.#user.received(isBinary && Buffer.isBuffer(message) ? message : Buffer.alloc(0));
  }

  #hear(): void {
    this.#heardSincePing = true;
    this.#awaited.heard();
  }

  #ping(): void {
    if (this.#webSocket.readyState !== WebSocket.OPEN) return;
    // While our own reader is slow nothing is read, pongs included: silence says nothing then.
    if (!this.#heardSincePing && !this.#webSocket.isPaused) {
      this.#fail('nothing was heard from the other side any more');
      return;
    }
    this.#heardSincePing = false;
    this.#sendingAtPing = this.#sending;
    this.#webSocket.ping();
  }

  #fail(why: string): void {
    this.#user.failed(tunnelError(this.#route, why));
  }

  #stopWatching(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#awaited.end();
    this.#signal?.removeEventListener('abort', this.#abort);
  }

  /** The user calls it when all that it waits for at the beginning is there: from now on failures are the pod's. */
  markOpened(): void {
    this.#opened = true;
  }

  /** Sends bytes into the pod; one call at a time. The callback comes when they have left, which is the back-pressure. */
  write(chunk: Buffer, callback: (error?: Error) => void): void {
    this.#sending = true;
    this.#webSocket.send(inboundMessage(chunk.subarray(0, LARGEST_WRITE_BYTES)), { binary: true }, (error) => {
      this.#sending = false;
      if (error) {
        callback(errorForBrokenTunnel(error, true, this.#route, this.#access));
        return;
      }
      if (!this.#webSocket.isPaused) this.#awaited.heard();
      // A pong waits until the other side has read all that was sent before the ping, which takes a slow one longer than
      // two pings. That it has taken what it had held back then says as much.
      if (this.#sendingAtPing) this.#heardSincePing = true;
      if (chunk.length <= LARGEST_WRITE_BYTES) callback();
      else this.write(chunk.subarray(LARGEST_WRITE_BYTES), callback);
    });
  }

  pause(): void {
    this.#awaited.rest();
    this.#webSocket.pause();
  }

  resume(): void {
    if (!this.#webSocket.isPaused) return;
    this.#hear(); // nothing could be heard until now
    this.#webSocket.resume();
  }

  /** Begins to close; the user hears of the end. */
  startClosing(): void {
    this.#webSocket.close();
  }

  /** Closes properly, or cuts the connection after a failure; the callback comes when it is gone. */
  end(failed: boolean, callback: () => void): void {
    this.#stopWatching();
    if (this.#webSocket.readyState === WebSocket.CLOSED) {
      callback();
      return;
    }
    const grace = setTimeout(() => {
      this.#webSocket.terminate();
    }, CLOSE_GRACE_MILLISECONDS);
    this.#webSocket.once('close', () => {
      clearTimeout(grace);
      callback();
    });
    if (!failed && this.#webSocket.readyState !== WebSocket.CONNECTING) {
      this.#webSocket.resume(); // or the answer to our closing would stay unread
      this.#webSocket.close();
    } else {
      this.#webSocket.terminate();
    }
  }
}

function urlOf({ server }: ClusterAccess, { namespace, pod, subresource }: PodRoute, query: URLSearchParams): string {
  const base = server.replace(/^https:/, 'wss:');
  const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods/${encodeURIComponent(pod)}/${subresource}`;
  return `${base}${path}?${query.toString()}`;
}
