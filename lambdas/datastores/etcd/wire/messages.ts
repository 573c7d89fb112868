import { create, fromBinary, toBinary, type DescMessage, type MessageShape } from '@bufbuild/protobuf';
import {
  AlarmMemberSchema,
  AlarmRequest_AlarmAction,
  AlarmRequestSchema,
  AlarmType,
  DeleteRangeRequestSchema,
  DeleteRangeResponseSchema,
  HashKVRequestSchema,
  HashKVResponseSchema,
  MemberListResponseSchema,
  PutRequestSchema,
  PutResponseSchema,
  RangeRequestSchema,
  RangeResponseSchema,
  SnapshotResponseSchema,
  StatusResponseSchema,
} from './generated/etcd/api/etcdserverpb/rpc_pb.ts';

// What etcd's messages (generated/, `npm run protos`) say, in our words: ids are hexadecimal without leading zeros, as etcdctl
// prints them; revisions and sizes are JavaScript numbers, and refused where they are none. Bytes are views of the message.

/** Alarms that etcd knows. */
export type EtcdAlarm = Exclude<keyof typeof AlarmType, 'NONE'>;

const ALARMS: readonly EtcdAlarm[] = ['NOSPACE', 'CORRUPT'];

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
export const EMPTY_REQUEST: Uint8Array = new Uint8Array(0);

/** HashKVRequest. */
export function encodeHashKVRequest(revision: number): Uint8Array {
  return toBinary(HashKVRequestSchema, create(HashKVRequestSchema, { revision: BigInt(revision) }));
}

/** RangeRequest. */
export function encodeRangeRequest({ limit = 0, revision = 0, ...request }: RangeRequest): Uint8Array {
  const message = create(RangeRequestSchema, { ...request, limit: BigInt(limit), revision: BigInt(revision) });
  return toBinary(RangeRequestSchema, message);
}

/** DeleteRangeRequest. An end that is empty is left out: to etcd it says the same as none. */
export function encodeDeleteRangeRequest(key: Buffer, rangeEnd: Buffer = NO_BYTES): Uint8Array {
  return toBinary(DeleteRangeRequestSchema, create(DeleteRangeRequestSchema, { key, rangeEnd }));
}

/** PutRequest, without a lease. */
export function encodePutRequest(key: Buffer, value: Buffer): Uint8Array {
  return toBinary(PutRequestSchema, create(PutRequestSchema, { key, value }));
}

/** AlarmRequest that takes back an alarm which this member raised. */
export function encodeDisarmRequest(memberId: string, alarm: EtcdAlarm): Uint8Array {
  const action = AlarmRequest_AlarmAction.DEACTIVATE;
  const message = create(AlarmRequestSchema, { action, memberID: BigInt(`0x${memberId}`), alarm: AlarmType[alarm] });
  return toBinary(AlarmRequestSchema, message);
}

export function decodeStatus(message: Buffer): EtcdStatus {
  const status = decode(StatusResponseSchema, message);
  return {
    clusterId: id(status.header?.clusterId),
    memberId: id(status.header?.memberId),
    revision: exact(status.header?.revision),
    version: status.version,
    sizeBytes: exact(status.dbSize),
    leaderId: id(status.leader),
    raftIndex: exact(status.raftIndex),
    raftAppliedIndex: exact(status.raftAppliedIndex),
    alarms: status.errors.flatMap(parseAlarm),
    inUseBytes: exact(status.dbSizeInUse),
    learner: status.isLearner,
  };
}

export function decodeMemberList(message: Buffer): EtcdMember[] {
  return decode(MemberListResponseSchema, message).members.map((member) => ({
    id: id(member.ID),
    name: member.name,
    peerUrls: member.peerURLs,
    clientUrls: member.clientURLs,
    learner: member.isLearner,
  }));
}

export function decodeHashKV(message: Buffer): EtcdHashKV {
  const { hash, compactRevision } = decode(HashKVResponseSchema, message);
  return { hash, compactRevision: exact(compactRevision) };
}

export function decodeRange(message: Buffer): RangeAnswer {
  const { header, more, count, kvs } = decode(RangeResponseSchema, message);
  return {
    revision: exact(header?.revision),
    more,
    count: exact(count),
    kvs: kvs.map((kv) => ({
      key: viewOf(kv.key),
      createRevision: exact(kv.createRevision),
      modRevision: exact(kv.modRevision),
      version: exact(kv.version),
      value: viewOf(kv.value),
      lease: id(kv.lease),
    })),
  };
}

/** How many keys DeleteRange deleted. */
export function decodeDeletedCount(message: Buffer): number {
  return exact(decode(DeleteRangeResponseSchema, message).deleted);
}

/** The revision of a put. */
export function decodeWrittenRevision(message: Buffer): number {
  return exact(decode(PutResponseSchema, message).header?.revision);
}

/** The alarm of an AlarmMember, as the backend keeps it; undefined when it is none that we know. */
export function decodeAlarm(message: Buffer): EtcdAlarm | undefined {
  const { alarm } = decode(AlarmMemberSchema, message);
  return ALARMS.find((name) => AlarmType[name] === alarm);
}

export function decodeSnapshotChunk(message: Buffer): SnapshotChunk {
  const { remainingBytes, blob, version } = decode(SnapshotResponseSchema, message);
  return { remainingBytes: exact(remainingBytes), blob: viewOf(blob), version };
}

// Status lists alarms as the text form of AlarmMember, e.g. `memberID:1050 alarm:CORRUPT `. The Alarm call would say the
// same, but even its GET is a raft proposal: it needs a leader and is written to every member's log.
function parseAlarm(text: string): { memberId: string; alarm: EtcdAlarm }[] {
  const alarm = /\balarm:\s*(NOSPACE|CORRUPT)\b/.exec(text)?.[1];
  const memberId = /\bmemberID:\s*(\d+)/.exec(text)?.[1] ?? '0';
  return alarm === 'NOSPACE' || alarm === 'CORRUPT' ? [{ memberId: BigInt(memberId).toString(16), alarm }] : [];
}

/** Thrown for bytes that are no such message; callers translate it, as it knows nothing of where they came from. */
export class ProtobufError extends Error {
  override readonly name = 'ProtobufError';
}

/** Thrown for a number that is none of JavaScript's any more, e.g. a revision that somebody has raised so far. */
export class NumberBeyondExactError extends ProtobufError {}

/** Fields that the schema does not know, those of a newer etcd, are skipped. */
function decode<Schema extends DescMessage>(schema: Schema, message: Buffer): MessageShape<Schema> {
  try {
    return fromBinary(schema, message, { readUnknownFields: false });
  } catch (cause) {
    throw new ProtobufError(`this is no ${schema.name}: ${(cause as Error).message}`, { cause });
  }
}

function id(value = 0n): string {
  return BigInt.asUintN(64, value).toString(16);
}

function exact(value = 0n): number {
  const number = Number(value);
  if (!Number.isSafeInteger(number)) throw new NumberBeyondExactError(`${value} is beyond 2^53`);
  return number;
}

function viewOf({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}
