import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { pipeline } from 'node:stream/promises';

/** Where a proxy forwards to. */
export interface TcpTarget {
  readonly host: string;
  readonly port: number;
}

/** Which connections a cut hits: all that are open, or the one that carries the byte. */
export type CutScope = 'all' | 'one';

/** What one connection has passed from the target, and how it is broken. */
interface Connection {
  passedBytes: number;
  readonly reset: () => void;
}

/**
 * A TCP proxy on loopback that can cut connections at an exact number of bytes, or let nothing through any more: what a
 * load balancer, a drained node or a broken cable does to a stream.
 */
export class TcpProxy {
  readonly #server: Server;
  readonly #connections = new Set<Connection>();
  /** Called at every cut. */
  onCut: () => void = () => undefined;
  #passedBytes = 0;
  #cuts = 0;
  #cutAtBytes = Infinity;
  #cutsLeft = 0;
  #cutScope: CutScope = 'all';
  #cutEachAtBytes = Infinity;
  #holdAtBytes = Infinity;
  #held = Promise.withResolvers<undefined>();
  #released = Promise.withResolvers<undefined>();

  private constructor(target: TcpTarget) {
    this.#server = createServer((client) => {
      this.#forward(client, connect(target));
    });
  }

  /** Starts a proxy on a free port of loopback, or of another address of the host, e.g. one that pods can reach. */
  static async start(target: TcpTarget, address = '127.0.0.1'): Promise<TcpProxy> {
    const proxy = new TcpProxy(target);
    proxy.#server.listen(0, address);
    await once(proxy.#server, 'listening');
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Bytes from the target to clients since the last `cutAfter`, `cutEachAfter` or cut. */
  get passedBytes(): number {
    return this.#passedBytes;
  }

  /** How often connections were cut since the last `cutAfter` or `cutEachAfter`. */
  get cuts(): number {
    return this.#cuts;
  }

  /** Cuts when this many bytes have come from the target over all connections, and again after as many, `times` in all. */
  cutAfter(bytes: number, times: number, scope: CutScope = 'all'): void {
    this.#begin();
    this.#cutAtBytes = bytes;
    this.#cutsLeft = times;
    this.#cutScope = scope;
  }

  /** From now on cuts every connection when it has itself brought this many bytes. */
  cutEachAfter(bytes: number): void {
    this.#begin();
    this.#cutEachAtBytes = bytes;
  }

  /** Lets this many more bytes come from the target and then nothing more on any connection; resolves when it is so. */
  async holdAfter(bytes: number): Promise<void> {
    this.#held = Promise.withResolvers();
    this.#released = Promise.withResolvers();
    this.#holdAtBytes = bytes;
    await this.#held.promise;
  }

  /** Ends the hold: what was held comes now. */
  release(): void {
    this.#holdAtBytes = Infinity;
    this.#released.resolve(undefined);
  }

  async stop(): Promise<void> {
    this.release();
    for (const { reset } of this.#connections) reset();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #begin(): void {
    this.#passedBytes = 0;
    this.#cuts = 0;
    this.#cutAtBytes = Infinity;
    this.#cutEachAtBytes = Infinity;
  }

  #forward(client: Socket, upstream: Socket): void {
    const connection: Connection = {
      passedBytes: 0,
      reset: () => {
        client.resetAndDestroy();
        upstream.resetAndDestroy();
      },
    };
    this.#connections.add(connection);
    // Ends and breaks of either side reach the other one by the pipelines themselves.
    const toTarget = pipeline(client, upstream);
    const toClient = pipeline(upstream, (chunks: AsyncIterable<Buffer>) => this.#pass(connection, chunks), client);
    void Promise.allSettled([toTarget, toClient]).then(() => this.#connections.delete(connection));
  }

  async *#pass(connection: Connection, chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const chunk of chunks) {
      if (this.#holdAtBytes <= 0) {
        this.#held.resolve(undefined);
        await this.#released.promise;
      }
      const room = Math.min(this.#cutAtBytes - this.#passedBytes, this.#cutEachAtBytes - connection.passedBytes);
      this.#passedBytes += chunk.length;
      this.#holdAtBytes -= chunk.length;
      connection.passedBytes += chunk.length;
      if (chunk.length < room) {
        yield chunk;
      } else {
        if (room > 0) yield chunk.subarray(0, room);
        this.#cut(connection);
        return;
      }
    }
  }

  #cut(carrier: Connection): void {
    this.#cuts += 1;
    this.#passedBytes = 0;
    this.onCut();
    const hit = this.#cutEachAtBytes < Infinity || this.#cutScope === 'one' ? [carrier] : this.#connections;
    this.#cutsLeft -= 1;
    if (this.#cutsLeft === 0) this.#cutAtBytes = Infinity;
    for (const { reset } of hit) reset();
  }
}
