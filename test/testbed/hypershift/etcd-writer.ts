import { connect, constants, type ClientHttp2Session, type IncomingHttpHeaders } from 'node:http2';
import { TestbedError } from '../errors.ts';
import { waitFor } from '../waiting.ts';

const CALL_TIMEOUT_MS = 30_000;
const RETRY_SECONDS = 120;
const DONE: ReadonlySet<string> = new Set(['0']);
/** FAILED_PRECONDITION: a call before, whose answer was lost, granted the lease. */
const DONE_OR_EXISTS: ReadonlySet<string> = new Set(['0', '9']);
/** Cut off, DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED and UNAVAILABLE. */
const REFUSED_FOR_NOW: ReadonlySet<string> = new Set(['', '4', '8', '14']);

/** What a TLS server asks of a client; PEM texts. Without it the connection is plain HTTP/2. */
export interface WriterTls {
  readonly ca: string;
  readonly certificate: string;
  readonly key: string;
  readonly serverName: string;
}

export type WriteOperation =
  { readonly put: string; readonly value: Uint8Array; readonly lease?: bigint } | { readonly delete: string };

function varint(value: bigint): Buffer {
  const bytes: number[] = [];
  let rest = value;
  while (rest > 0x7fn) {
    bytes.push(Number(rest & 0x7fn) | 0x80);
    rest >>= 7n;
  }
  return Buffer.from([...bytes, Number(rest)]);
}

/** Protocol Buffers: a field with its length, given as parts so that large values are copied only once. */
function field(number: number, ...parts: readonly Uint8Array[]): Uint8Array[] {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  return [varint(BigInt((number << 3) | 2)), varint(BigInt(length)), ...parts];
}

function integerField(number: number, value: bigint): Uint8Array[] {
  return [varint(BigInt(number << 3)), varint(value)];
}

/** One entry of TxnRequest.success: a RequestOp with request_put (2) or request_delete_range (3). */
function requestOperation(operation: WriteOperation): Uint8Array[] {
  if ('delete' in operation) return field(2, ...field(3, ...field(1, Buffer.from(operation.delete))));
  const lease = operation.lease === undefined ? [] : integerField(3, operation.lease);
  return field(2, ...field(2, ...field(1, Buffer.from(operation.put)), ...field(2, operation.value), ...lease));
}

/**
 * Writes to an etcd as fast as one connection goes. Its own few lines of gRPC, for a client library would be another
 * dependency, and what the product speaks must not be tested with itself.
 */
export class EtcdWriter {
  readonly #session: ClientHttp2Session;

  private constructor(session: ClientHttp2Session) {
    this.#session = session;
  }

  static async connect(url: string, tls?: WriterTls): Promise<EtcdWriter> {
    const options =
      tls === undefined ? {} : { ca: tls.ca, cert: tls.certificate, key: tls.key, servername: tls.serverName };
    return new Promise((resolve, reject) => {
      const session = connect(url, options, () => {
        resolve(new EtcdWriter(session));
      });
      // After the connection stands, a broken one shows in every call that is under way.
      session.on('error', reject);
    });
  }

  close(): void {
    this.#session.destroy();
  }

  /** One transaction: at most 128 operations and 1.5 MiB, which are etcd's limits. */
  async write(operations: readonly WriteOperation[]): Promise<void> {
    await this.#call('/etcdserverpb.KV/Txn', operations.flatMap(requestOperation));
  }

  /** Grants a lease under an id of the caller's choice. */
  async grantLease(id: bigint, ttlSeconds: number): Promise<void> {
    const message = [...integerField(1, BigInt(ttlSeconds)), ...integerField(2, id)];
    await this.#call('/etcdserverpb.Lease/LeaseGrant', message, DONE_OR_EXISTS);
  }

  /** Repeats what an overloaded or leaderless etcd refuses; every call here may be applied twice. */
  async #call(path: string, message: readonly Uint8Array[], done = DONE): Promise<void> {
    const body = Buffer.concat(message);
    await waitFor(
      `etcd to accept ${path}`,
      async () => {
        const status = await this.#callOnce(path, body);
        if (!done.has(status) && !REFUSED_FOR_NOW.has(status)) {
          throw new TestbedError(`etcd answered ${path} with gRPC status ${status}`);
        }
        return done.has(status);
      },
      { timeoutSeconds: RETRY_SECONDS, intervalMilliseconds: 250 },
    );
  }

  /** The gRPC status; empty when the call was cut off. */
  async #callOnce(path: string, body: Buffer): Promise<string> {
    const frame = Buffer.alloc(5);
    frame.writeUInt32BE(body.length, 1);
    return new Promise((resolve, reject) => {
      const stream = this.#session.request({
        [constants.HTTP2_HEADER_METHOD]: 'POST',
        [constants.HTTP2_HEADER_PATH]: path,
        [constants.HTTP2_HEADER_CONTENT_TYPE]: 'application/grpc',
        [constants.HTTP2_HEADER_TE]: 'trailers',
      });
      let status = '';
      const readStatus = (headers: IncomingHttpHeaders): void => {
        status = headers['grpc-status']?.toString() ?? status;
      };
      stream.setTimeout(CALL_TIMEOUT_MS, () => {
        stream.close(constants.NGHTTP2_CANCEL);
      });
      stream.on('response', readStatus).on('trailers', readStatus).resume();
      stream.on('error', reject).on('close', () => {
        resolve(status);
      });
      stream.write(frame);
      stream.end(body);
    });
  }
}
