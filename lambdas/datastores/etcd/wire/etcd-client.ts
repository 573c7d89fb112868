import type { Duplex } from 'node:stream';
import { DatastoreError, LifeboatError, NoUsableMemberError, UnsupportedError } from '../../../domain/errors.ts';
import type { EtcdClientTls } from '../../../domain/etcd-workload.ts';
import { GrpcConnection } from './grpc-connection.ts';
import { GrpcFrameError } from './grpc-frames.ts';
import {
  decodeDeletedCount,
  decodeHashKV,
  decodeMemberList,
  decodeRange,
  decodeSnapshotChunk,
  decodeStatus,
  decodeWrittenRevision,
  EMPTY_REQUEST,
  encodeDeleteRangeRequest,
  encodeDisarmRequest,
  encodeHashKVRequest,
  encodePutRequest,
  encodeRangeRequest,
  NumberBeyondExactError,
  ProtobufError,
  type EtcdAlarm,
  type EtcdHashKV,
  type EtcdMember,
  type EtcdStatus,
  type RangeAnswer,
  type RangeRequest,
  type SnapshotChunk,
} from './messages.ts';

/** What to do about an etcd whose revisions are no exact numbers any more, or would not be after a restore. */
export const REVISION_RAISED_TOO_FAR =
  'No etcd gets there by writing: somebody raised it too far. Restore an older recovery point by hand ("lifeboat export", then etcdutl ' +
  'without a bump), and start everything anew that watches the API.';

export interface EtcdClientOptions {
  /** The member's pod, for messages. */
  readonly member: string;
  readonly signal?: AbortSignal;
  readonly connectTimeoutMilliseconds?: number;
  /** For one call other than the snapshot; HashKV walks the whole keyspace and gets ten times as long. */
  readonly callTimeoutMilliseconds?: number;
  readonly clock?: () => Date;
}

/**
 * The few calls of etcd's API that a backup and a restore need, to one member; only `put`, `deleteKeys` and `disarm` change anything. Errors
 * of every method: DatastoreError, PermissionError, NoUsableMemberError, UnsupportedError for a revision beyond 2^53, the error of
 * the stream below (TunnelError), or the signal's reason.
 */
export class EtcdClient {
  readonly #connection: GrpcConnection;
  readonly #member: string;
  readonly #callTimeoutMilliseconds: number;
  readonly #signal: AbortSignal | undefined;

  private constructor(connection: GrpcConnection, options: EtcdClientOptions) {
    this.#connection = connection;
    this.#member = options.member;
    this.#callTimeoutMilliseconds = options.callTimeoutMilliseconds ?? 10_000;
    this.#signal = options.signal;
  }

  /** Opens the stream and the session over it; the caller closes the client, which ends both. */
  static async connect(
    openSocket: () => Promise<Duplex>,
    tls: EtcdClientTls,
    options: EtcdClientOptions,
  ): Promise<EtcdClient> {
    const connection = await GrpcConnection.open(await openSocket(), tls, {
      member: options.member,
      timeoutMilliseconds: options.connectTimeoutMilliseconds ?? 10_000,
      clock: options.clock ?? (() => new Date()),
      signal: options.signal,
    });
    return new EtcdClient(connection, options);
  }

  /** NoUsableMemberError when this is kine, which speaks etcd's API but has no snapshot. */
  async status(): Promise<EtcdStatus> {
    const status = await this.#call('Maintenance/Status', EMPTY_REQUEST, decodeStatus);
    // kine leaves the header and the leader empty; a real member always has a cluster id.
    if (status.clusterId === '0' && status.leaderId === '0') {
      throw new NoUsableMemberError(`${this.#member} is kine, not etcd: it can't stream a snapshot`, {
        remedy: 'Back up the database behind it instead.',
      });
    }
    return status;
  }

  /** The members as this one knows them; it asks nobody, so it answers without a leader too. */
  async memberList(): Promise<EtcdMember[]> {
    return this.#call('Cluster/MemberList', EMPTY_REQUEST, decodeMemberList);
  }

  /** The hash of the keyspace up to a revision. DatastoreError when the member has compacted it or not reached it. */
  async hashKV(revision: number): Promise<EtcdHashKV> {
    return this.#call('Maintenance/HashKV', encodeHashKVRequest(revision), decodeHashKV, 10);
  }

  /**
   * The keys of a range in order. DatastoreError when the member has compacted the revision or not reached it, has no
   * leader (unless `serializable`), or its answer is above 4 MiB: ask for less with `limit` then.
   */
  async range(request: RangeRequest): Promise<RangeAnswer> {
    return this.#call('KV/Range', encodeRangeRequest(request), decodeRange);
  }

  /**
   * Deletes one key, or all from `key` to before `rangeEnd`, and says how many there were. When it fails they may be
   * deleted or not; it is safe to repeat.
   */
  async deleteKeys(key: Buffer, rangeEnd?: Buffer): Promise<number> {
    return this.#call('KV/DeleteRange', encodeDeleteRangeRequest(key, rangeEnd), decodeDeletedCount);
  }

  /** Writes one key and gives the revision of that. EtcdFullError where etcd takes no writes for want of room. Safe to repeat. */
  async put(key: Buffer, value: Buffer): Promise<number> {
    return this.#call('KV/Put', encodePutRequest(key, value), decodeWrittenRevision);
  }

  /** Takes back an alarm that a member raised, be it one that is no more. Safe to repeat. */
  async disarm(memberId: string, alarm: EtcdAlarm): Promise<void> {
    await this.#call('Maintenance/Alarm', encodeDisarmRequest(memberId, alarm), () => undefined);
  }

  /**
   * The database and its 32-byte trailer in messages of 32 KiB, each good until the next one is asked for. The member holds a read transaction, and its file grows,
   * until the last message is read or the loop is left; both end it at once.
   */
  async *snapshot(options: { readonly signal?: AbortSignal } = {}): AsyncGenerator<SnapshotChunk, void, undefined> {
    const path = '/etcdserverpb.Maintenance/Snapshot';
    const signal = options.signal ?? this.#signal;
    try {
      for await (const message of this.#connection.serverStream(path, EMPTY_REQUEST, signal)) {
        yield decodeSnapshotChunk(message);
      }
    } catch (error) {
      throw this.#translate(error);
    }
  }

  /** Ends the session and the stream below it. */
  async close(): Promise<void> {
    await this.#connection.close();
  }

  async #call<T>(method: string, request: Uint8Array, decode: (answer: Buffer) => T, patience = 1): Promise<T> {
    try {
      const deadline = this.#callTimeoutMilliseconds * patience;
      return decode(await this.#connection.unary(`/etcdserverpb.${method}`, request, deadline, this.#signal));
    } catch (error) {
      throw this.#translate(error);
    }
  }

  #translate(error: unknown): unknown {
    if (error instanceof LifeboatError || !(error instanceof ProtobufError || error instanceof GrpcFrameError)) {
      return error;
    }
    if (error instanceof NumberBeyondExactError) {
      return new UnsupportedError(
        `etcd member ${this.#member} is at a revision beyond 2^53, which Lifeboat can't handle`,
        {
          remedy: REVISION_RAISED_TOO_FAR,
          cause: error,
        },
      );
    }
    return new DatastoreError(`${this.#member} does not answer as etcd does: ${error.message}`, {
      remedy: 'Check that the port is the one of etcd for clients.',
      cause: error,
    });
  }
}
