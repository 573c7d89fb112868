import { encodeProtobuf, protobufFields, ProtobufError, type ProtobufField } from './protobuf.ts';

// Field numbers of etcd's api/etcdserverpb/rpc.proto and kv.proto, 3.4 to 3.7. Fields that nobody asks for are skipped.
// Ids are hexadecimal without leading zeros, as etcdctl prints them; revisions and sizes fit a JavaScript number.

/** Alarms that etcd knows. */
export type EtcdAlarm = 'NOSPACE' | 'CORRUPT';

/** Answer of Maintenance.Status. */
export interface EtcdStatus {
  readonly clusterId: string;
  readonly memberId: string;
  readonly revision: number;
  /** e.g. `3.5.21`. */
  readonly version: string;
  readonly sizeBytes: number;
  readonly inUseBytes: number;
  /** `0` while the member knows no leader. */
  readonly leaderId: string;
  readonly raftIndex: number;
  readonly raftAppliedIndex: number;
  readonly learner: boolean;
  /** Alarms of the whole cluster as this member knows them, each with the id of the member that raised it. */
  readonly alarms: readonly { readonly memberId: string; readonly alarm: EtcdAlarm }[];
}

/** One entry of Cluster.MemberList. */
export interface EtcdMember {
  readonly id: string;
  readonly name: string;
  readonly peerUrls: readonly string[];
  readonly clientUrls: readonly string[];
  readonly learner: boolean;
}

/** Answer of Maintenance.HashKV. `compactRevision` is -1 when nothing was ever compacted. */
export interface EtcdHashKV {
  readonly hash: number;
  readonly compactRevision: number;
}

/** One message of Maintenance.Snapshot. `version` is the storage version, empty before etcd 3.6. */
export interface SnapshotChunk {
  readonly blob: Buffer;
  /** Bytes of the database still to come; the 32-byte trailer is not counted. */
  readonly remainingBytes: number;
  readonly version: string;
}

const NO_BYTES = Buffer.alloc(0);

/** Every request but HashKV's: all its fields have their defaults. */
export const EMPTY_REQUEST = NO_BYTES;

/** HashKVRequest. */
export function encodeHashKVRequest(revision: number): Buffer {
  return encodeProtobuf([{ number: 1, varint: BigInt(revision) }]);
}

export function decodeStatus(message: Buffer): EtcdStatus {
  const fields = new Fields(message);
  const header = fields.message(1);
  return {
    clusterId: header.id(1),
    memberId: header.id(2),
    revision: header.integer(3),
    version: fields.text(2),
    sizeBytes: fields.integer(3),
    leaderId: fields.id(4),
    raftIndex: fields.integer(5),
    raftAppliedIndex: fields.integer(7),
    alarms: fields.texts(8).flatMap(parseAlarm),
    inUseBytes: fields.integer(9),
    learner: fields.integer(10) !== 0,
  };
}

export function decodeMemberList(message: Buffer): EtcdMember[] {
  return new Fields(message).messages(2).map((member) => ({
    id: member.id(1),
    name: member.text(2),
    peerUrls: member.texts(3),
    clientUrls: member.texts(4),
    learner: member.integer(5) !== 0,
  }));
}

export function decodeHashKV(message: Buffer): EtcdHashKV {
  const fields = new Fields(message);
  return { hash: fields.integer(2), compactRevision: fields.integer(3) };
}

export function decodeSnapshotChunk(message: Buffer): SnapshotChunk {
  const fields = new Fields(message);
  return { remainingBytes: fields.integer(2), blob: fields.bytes(3), version: fields.text(4) };
}

// Status lists alarms as the text form of AlarmMember, e.g. `memberID:1050 alarm:CORRUPT `. The Alarm call would say the
// same, but even its GET is a raft proposal: it needs a leader and is written to every member's log.
function parseAlarm(text: string): { memberId: string; alarm: EtcdAlarm }[] {
  const alarm = /\balarm:\s*(NOSPACE|CORRUPT)\b/.exec(text)?.[1];
  const memberId = /\bmemberID:\s*(\d+)/.exec(text)?.[1] ?? '0';
  return alarm === 'NOSPACE' || alarm === 'CORRUPT' ? [{ memberId: BigInt(memberId).toString(16), alarm }] : [];
}

/** The fields of one message by number, with protobuf's defaults for those left out. */
class Fields {
  readonly #fields: readonly ProtobufField[];

  constructor(message: Buffer) {
    this.#fields = [...protobufFields(message)];
  }

  #varint(number: number): bigint {
    for (const field of this.#fields) if (field.number === number && 'varint' in field) return field.varint;
    return 0n;
  }

  #all(number: number): Buffer[] {
    return this.#fields.flatMap((field) => (field.number === number && 'bytes' in field ? [field.bytes] : []));
  }

  id(number: number): string {
    return this.#varint(number).toString(16);
  }

  integer(number: number): number {
    const value = Number(BigInt.asIntN(64, this.#varint(number)));
    if (!Number.isSafeInteger(value)) throw new ProtobufError(`field ${number} is beyond 2^53`);
    return value;
  }

  bytes(number: number): Buffer {
    for (const field of this.#fields) if (field.number === number && 'bytes' in field) return field.bytes;
    return NO_BYTES;
  }

  text(number: number): string {
    return this.bytes(number).toString('utf8');
  }

  texts(number: number): string[] {
    return this.#all(number).map((bytes) => bytes.toString('utf8'));
  }

  message(number: number): Fields {
    return new Fields(this.bytes(number));
  }

  messages(number: number): Fields[] {
    return this.#all(number).map((bytes) => new Fields(bytes));
  }
}
