import { on, once, type EventEmitter } from 'node:events';
import {
  connect as connectHttp2,
  constants,
  type ClientHttp2Session,
  type ClientHttp2Stream,
  type IncomingHttpHeaders,
} from 'node:http2';
import type { Duplex } from 'node:stream';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { DatastoreError, LifeboatError, NoUsableMemberError, PermissionError } from '../../../domain/errors.ts';
import type { EtcdClientTls } from '../../../domain/etcd-workload.ts';
import { awaitAnswer, startWaiting } from '../../../domain/silence.ts';
import { certificateValidity, validityProblem } from '../../../kube/certificates.ts';
import { describeConnectionFailure, readTlsFailure } from '../../../kube/connection-failure.ts';
import { encodeFrame, FrameReader } from './grpc-frames.ts';
import { errorForGrpcStatus, readGrpcStatus, type GrpcStatus } from './grpc-status.ts';

// HTTP/2's default window of 65,535 bytes allows 1.5 MiB/s at 20 ms of round trip; this one more than 300 MiB/s. It has to
// be given for the streams and for the session, and it bounds what is under way when the reader is slow.
const WINDOW_BYTES = 16 * 1024 * 1024;

// Pieces of 16 KiB that wait for a slow reader outside of the window: enough that neither side waits for the other.
const READ_AHEAD = { highWaterMark: 32, lowWaterMark: 8 };

export interface GrpcConnectionOptions {
  /** The member's pod, for messages. */
  readonly member: string;
  /** For the TLS handshake and the exchange of HTTP/2 settings; etcd itself allows ten seconds for the first. */
  readonly timeoutMilliseconds: number;
  readonly clock: () => Date;
  readonly signal: AbortSignal | undefined;
}

/** gRPC to one etcd member over a stream that leads there: TLS, then HTTP/2. Owns the stream. */
export class GrpcConnection {
  readonly #member: string;
  readonly #socket: Duplex;
  readonly #tls: TLSSocket;
  readonly #session: ClientHttp2Session;
  /** Aborted, with the error as its reason, when the connection breaks. */
  readonly #broken = new AbortController();

  private constructor(member: string, socket: Duplex, tls: TLSSocket, serverName: string) {
    this.#member = member;
    this.#socket = socket;
    this.#tls = tls;
    this.#session = connectHttp2(`https://${serverName}`, {
      createConnection: () => tls,
      settings: { initialWindowSize: WINDOW_BYTES, enablePush: false },
    });
    this.#session.once('connect', () => {
      this.#session.setLocalWindowSize(WINDOW_BYTES);
    });
    // The session notices neither a TLS alert after the handshake nor the end of a stream that is no net.Socket.
    for (const part of [socket, tls, this.#session]) {
      part.on('error', (error: Error) => {
        this.#break(error);
      });
      part.on('close', () => {
        this.#break(new Error('closed'));
      });
    }
  }

  #break(error: Error): void {
    if (!this.#broken.signal.aborted) this.#broken.abort(translateFailure(error, this.#member));
    this.#session.destroy();
    this.#socket.destroy();
  }

  /**
   * Takes the stream over and ends it when this fails. PermissionError when the member refuses our certificate or it is
   * expired, NoUsableMemberError when the member's own can't be trusted, the stream's own error, else DatastoreError.
   */
  static async open(socket: Duplex, tls: EtcdClientTls, options: GrpcConnectionOptions): Promise<GrpcConnection> {
    return await awaitAnswer(`etcd member ${options.member} (its TLS handshake)`, () =>
      GrpcConnection.#open(socket, tls, options),
    );
  }

  static async #open(socket: Duplex, tls: EtcdClientTls, options: GrpcConnectionOptions): Promise<GrpcConnection> {
    const timeout = AbortSignal.timeout(options.timeoutMilliseconds);
    const signal = options.signal === undefined ? timeout : AbortSignal.any([options.signal, timeout]);
    try {
      assertCertificateUsable(tls, options);
      const tlsSocket = connectTls({
        socket,
        ca: tls.ca,
        cert: tls.certificate,
        key: tls.key.reveal(),
        servername: tls.serverName,
        ALPNProtocols: ['h2'],
        rejectUnauthorized: true,
      });
      // Failures are told by the waits below and noted by the connection; unheard they would end the process.
      tlsSocket.on('error', () => undefined);
      // TLS over a stream that is no net.Socket does not hear of its end by itself.
      socket.once('error', (error) => tlsSocket.destroy(error)).once('close', () => tlsSocket.destroy());
      await eventBeforeClose(tlsSocket, 'secureConnect', signal);
      const connection = new GrpcConnection(options.member, socket, tlsSocket, tls.serverName);
      // With TLS 1.3 a member refuses our certificate only after the handshake has ended for us.
      await once(connection.#session, 'remoteSettings', {
        signal: AbortSignal.any([signal, connection.#broken.signal]),
      }).catch((error: unknown) => {
        connection.#broken.signal.throwIfAborted();
        throw error;
      });
      return connection;
    } catch (error) {
      socket.on('error', () => undefined).destroy();
      options.signal?.throwIfAborted();
      if (timeout.aborted) {
        throw new DatastoreError(`etcd member ${options.member} did not answer the TLS handshake in time`);
      }
      throw translateFailure(error, options.member);
    }
  }

  /** One request, one answer. DatastoreError when it does not come within the deadline. */
  async unary(path: string, request: Uint8Array, deadlineMilliseconds: number, signal?: AbortSignal): Promise<Buffer> {
    const deadline = AbortSignal.timeout(deadlineMilliseconds);
    const either = signal === undefined ? deadline : AbortSignal.any([signal, deadline]);
    try {
      let answer: Buffer | undefined;
      for await (const message of this.serverStream(path, request, either)) answer ??= Buffer.from(message);
      if (answer !== undefined) return answer;
    } catch (error) {
      signal?.throwIfAborted();
      if (!deadline.aborted) throw error;
      throw new DatastoreError(`etcd member ${this.#member} did not answer ${callName(path)} in time`);
    }
    throw new DatastoreError(`etcd member ${this.#member} answered ${callName(path)} with nothing`);
  }

  /**
   * One request, many answers, pulled by the reader: whoever stops reading stops the member; leaving the loop cancels.
   * Each answer is good until the next one is asked for.
   */
  async *serverStream(
    path: string,
    request: Uint8Array,
    signal?: AbortSignal,
  ): AsyncGenerator<Buffer, void, undefined> {
    const ending = AbortSignal.any(signal === undefined ? [this.#broken.signal] : [signal, this.#broken.signal]);
    ending.throwIfAborted();
    const stream = this.#request(path);
    let status: GrpcStatus | undefined;
    stream.on('response', (headers) => {
      status ??= readGrpcStatus(headers) ?? readHttpStatus(headers[':status']);
    });
    stream.on('trailers', (headers: IncomingHttpHeaders) => {
      status ??= readGrpcStatus(headers);
    });
    // Cancelling may break the stream as well; whoever waits for it is told by the signal.
    stream.on('error', () => undefined);
    const cancel = (): void => {
      stream.close(constants.NGHTTP2_CANCEL);
      stream.destroy();
    };
    ending.addEventListener('abort', cancel, { once: true });
    const frames = new FrameReader();
    const awaited = startWaiting(`etcd member ${this.#member} (${callName(path)})`);
    try {
      // Events and not the stream's own iterator, which joins all that has arrived into new memory at every turn.
      const pieces = on(stream, 'data', { close: ['end', 'close'], ...READ_AHEAD });
      stream.end(encodeFrame(request));
      for await (const [piece] of pieces as AsyncIterable<[Buffer]>) {
        awaited.rest();
        for (const message of frames.push(piece)) yield message;
        awaited.heard();
      }
      ending.throwIfAborted();
    } catch (error) {
      ending.throwIfAborted();
      throw translateFailure(error, this.#member);
    } finally {
      awaited.end();
      ending.removeEventListener('abort', cancel);
      // Left early, this releases the member; a stream that has ended does not mind.
      cancel();
    }
    const failure = status === undefined ? undefined : errorForGrpcStatus(status, this.#member, callName(path));
    if (failure !== undefined) throw failure;
    if (status === undefined || !frames.isEmpty) {
      throw new DatastoreError(`etcd member ${this.#member} broke off its answer to ${callName(path)}`);
    }
  }

  /** Ends the session and the stream below it; resolves when that is closed. */
  async close(): Promise<void> {
    const closed = this.#socket.closed ? undefined : once(this.#socket, 'close').catch(() => undefined);
    this.#session.destroy();
    this.#tls.destroy();
    this.#socket.destroy();
    await closed;
  }

  #request(path: string): ClientHttp2Stream {
    try {
      return this.#session.request({
        ':method': 'POST',
        ':path': path,
        te: 'trailers',
        'content-type': 'application/grpc',
        'user-agent': 'lifeboat',
      });
    } catch (error) {
      throw translateFailure(error, this.#member);
    }
  }
}

/** `Maintenance.Snapshot` of `/etcdserverpb.Maintenance/Snapshot`. */
function callName(path: string): string {
  return path.replace(/^.*\./, '').replace('/', '.');
}

// Anything but 200 comes from something that is no gRPC server; as UNAVAILABLE it is a reason like any other.
function readHttpStatus(status: number | undefined): GrpcStatus | undefined {
  return status === 200 ? undefined : { code: 14, message: '' };
}

/** Waits for an event; rejects with the emitter's error, when it closes before, and on abort. Leaves no listener. */
async function eventBeforeClose(emitter: EventEmitter, event: string, signal: AbortSignal): Promise<void> {
  const over = new AbortController();
  const options = { signal: AbortSignal.any([signal, over.signal]) };
  const closed = once(emitter, 'close', options).then(() => Promise.reject(new Error('closed')));
  try {
    await Promise.race([once(emitter, event, options), closed]);
  } finally {
    over.abort();
  }
}

function assertCertificateUsable(tls: EtcdClientTls, { member, clock }: GrpcConnectionOptions): void {
  const problem = validityProblem(certificateValidity(tls.certificate), clock());
  if (problem === undefined) return;
  throw new PermissionError(`the client certificate for etcd member ${member} ${problem}`, {
    remedy: 'Let the platform issue it anew; look why its operator has not done so.',
  });
}

function translateFailure(error: unknown, member: string): LifeboatError {
  if (error instanceof LifeboatError) return error;
  const tls = readTlsFailure(error);
  if (tls === undefined) {
    return new DatastoreError(`the connection to etcd member ${member} broke: ${describeConnectionFailure(error)}`, {
      cause: error,
    });
  }
  if (tls.side === 'client') {
    return new PermissionError(`etcd member ${member} did not let us in: ${tls.reason}`, {
      remedy: 'Check that the client certificate is signed by the CA that etcd trusts for clients and is not expired.',
      cause: error,
    });
  }
  return new NoUsableMemberError(`etcd member ${member} can't be trusted: ${tls.reason}`, {
    remedy: "Check that the CA and the server name given are those of this etcd's server certificates.",
    cause: error,
  });
}
