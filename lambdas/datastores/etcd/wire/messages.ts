import { encodeProtobuf, protobufFields, ProtobufError, type ProtobufField } from './protobuf.ts';

// Field numbers of etcd's api/etcdserverpb/rpc.proto and kv.proto, 3.4 to 3.7. Fields that nobody asks for are skipped.
// Ids are hexadecimal without leading zeros, as etcdctl prints them; revisions and sizes fit a JavaScript number.

/** Alarms that etcd knows. */
export type EtcdAlarm = 'NOSPACE' | 'CORRUPT';

/** By their numbers in AlarmType. */
const ALARMS: readonly (EtcdAlarm | undefined)[] = [undefined, 'NOSPACE', 'CORRUPT'];

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

/** What is asked of KV.Range. */
export interface RangeRequest {
  readonly key: Buffer;
  /** Exclusive; a single zero byte is the end of all keys. Without it the range is `key` alone. */
  readonly rangeEnd?: Buffer;
  /** The most keys that are given; without it all. */
  readonly limit?: number;
  /** The revision that is read at; without it the newest. */
  readonly revision?: number;
  /** Leaves values empty. */
  readonly keysOnly?: boolean;
  /** Answered from what this member has, without asking the leader: possibly old, but there without a leader too. */
  readonly serializable?: boolean;
}

/** One key and its value; the buffers are views of the whole answer. */
export interface EtcdKeyValue {
  readonly key: Buffer;
  readonly createRevision: number;
  readonly modRevision: number;
  /** Counts the writes since the key was created, from 1. */
  readonly version: number;
  /** `0` without a lease. */
  readonly lease: string;
  readonly value: Buffer;
}

/** Answer of KV.Range, in the order of keys. */
export interface RangeAnswer {
  /** The newest revision when it was answered, whichever was asked for. */
  readonly revision: number;
  /** Whether the limit left keys out. */
  readonly more: boolean;
  /** How many keys the range has, those left out included. */
  readonly count: number;
  readonly kvs: readonly EtcdKeyValue[];
}

const NO_BYTES = Buffer.alloc(0);

/** Every request whose fields all have their defaults. */
export const EMPTY_REQUEST = NO_BYTES;

/** HashKVRequest. */
export function encodeHashKVRequest(revision: number): Buffer {
  return encodeProtobuf([{ number: 1, varint: BigInt(revision) }]);
}

/** RangeRequest. */
export function encodeRangeRequest(request: RangeRequest): Buffer {
  return encodeProtobuf([
    ...encodeRange(request.key, request.rangeEnd),
    { number: 3, varint: BigInt(request.limit ?? 0) },
    { number: 4, varint: BigInt(request.revision ?? 0) },
    { number: 7, varint: request.serializable === true ? 1n : 0n },
    { number: 8, varint: request.keysOnly === true ? 1n : 0n },
  ]);
}

/** DeleteRangeRequest. */
export function encodeDeleteRangeRequest(key: Buffer, rangeEnd: Buffer | undefined): Buffer {
  return encodeProtobuf(encodeRange(key, rangeEnd));
}

/** PutRequest, without a lease. */
export function encodePutRequest(key: Buffer, value: Buffer): Buffer {
  return encodeProtobuf([
    { number: 1, bytes: key },
    { number: 2, bytes: value },
  ]);
}

/** AlarmRequest that takes back an alarm which this member raised. */
export function encodeDisarmRequest(memberId: string, alarm: EtcdAlarm): Buffer {
  return encodeProtobuf([
    { number: 1, varint: 2n },
    { number: 2, varint: BigInt(`0x${memberId}`) },
    { number: 3, varint: BigInt(ALARMS.indexOf(alarm)) },
  ]);
}

// An end that is there and empty means to etcd that there is none: all keys from the first one on.
function encodeRange(key: Buffer, rangeEnd: Buffer = NO_BYTES): ProtobufField[] {
  const start = { number: 1, bytes: key };
  return rangeEnd.length === 0 ? [start] : [start, { number: 2, bytes: rangeEnd }];
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

export function decodeRange(message: Buffer): RangeAnswer {
  const fields = new Fields(message);
  return {
    revision: fields.message(1).integer(3),
    more: fields.integer(3) !== 0,
    count: fields.integer(4),
    kvs: fields.messages(2).map((kv) => ({
      key: kv.bytes(1),
      createRevision: kv.integer(2),
      modRevision: kv.integer(3),
      version: kv.integer(4),
      value: kv.bytes(5),
      lease: kv.id(6),
    })),
  };
}

/** How many keys DeleteRange deleted. */
export function decodeDeletedCount(message: Buffer): number {
  return new Fields(message).integer(2);
}

/** The revision of a write, e.g. a put. */
export function decodeWrittenRevision(message: Buffer): number {
  return new Fields(message).message(1).integer(3);
}

/** The alarm of an AlarmMember, as the backend keeps it; undefined when it is none that we know. */
export function decodeAlarm(message: Buffer): EtcdAlarm | undefined {
  return ALARMS[new Fields(message).integer(2)];
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

/** Thrown for a number that is none of JavaScript's any more, e.g. a revision that somebody has raised so far. */
export class NumberBeyondExactError extends ProtobufError {}

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
    if (!Number.isSafeInteger(value)) throw new NumberBeyondExactError(`field ${number} is beyond 2^53`);
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
