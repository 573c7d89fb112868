import { create, toBinary, type DescMessage, type MessageInitShape } from '@bufbuild/protobuf';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  AlarmMemberSchema,
  DeleteRangeRequestSchema,
  HashKVResponseSchema,
  RangeRequestSchema,
  RangeResponseSchema,
  SnapshotResponseSchema,
  StatusResponseSchema,
  type AlarmType,
} from '../../../lambdas/datastores/etcd/wire/generated/etcd/api/etcdserverpb/rpc_pb.ts';
import {
  decodeAlarm,
  decodeHashKV,
  decodeMemberList,
  decodeRange,
  decodeSnapshotChunk,
  decodeStatus,
  encodeDeleteRangeRequest,
  encodeRangeRequest,
  NumberBeyondExactError,
  ProtobufError,
} from '../../../lambdas/datastores/etcd/wire/messages.ts';
import { seed } from '../../suite/seed.ts';

function encode<Schema extends DescMessage>(schema: Schema, fields: MessageInitShape<Schema>): Buffer {
  return Buffer.from(toBinary(schema, create(schema, fields)));
}

const chunk = encode(SnapshotResponseSchema, {
  header: { clusterId: 2n ** 64n - 1n, revision: 7n },
  remainingBytes: 9_000_000_000n,
  blob: Buffer.alloc(1024, 5),
  version: '3.6.0',
});

describe("etcd's messages", () => {
  it('give a chunk of a snapshot as a view: hundreds of megabytes pass and nothing is copied', () => {
    const message = Buffer.from(chunk);
    const { blob, ...rest } = decodeSnapshotChunk(message);
    expect(rest).toEqual({ remainingBytes: 9_000_000_000, version: '3.6.0' });
    expect(blob).toEqual(Buffer.alloc(1024, 5));
    message.fill(6);
    expect(blob).toEqual(Buffer.alloc(1024, 6));
  });

  it('give keys and values, whatever their bytes, as views too', () => {
    const bytes = fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array));
    fc.assert(
      fc.property(fc.array(fc.record({ key: bytes, value: bytes })), (kvs) => {
        const message = encode(RangeResponseSchema, { kvs });
        const answer = decodeRange(message).kvs;
        expect(answer.map(({ key, value }) => ({ key, value }))).toEqual(kvs);
        message.fill(1);
        expect(answer.map(({ value }) => value)).toEqual(kvs.map(({ value }) => Buffer.alloc(value.length, 1)));
      }),
      { seed },
    );
  });

  it('give revisions exactly or not at all', () => {
    const anyRevision = fc.oneof(
      fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
      fc.maxSafeInteger().map(BigInt),
      fc.constantFrom(2n ** 53n - 1n, 2n ** 53n, -(2n ** 53n)),
    );
    fc.assert(
      fc.property(anyRevision, (revision) => {
        const status = encode(StatusResponseSchema, { header: { revision } });
        const hash = encode(HashKVResponseSchema, { compactRevision: revision });
        if (revision >= BigInt(Number.MIN_SAFE_INTEGER) && revision <= BigInt(Number.MAX_SAFE_INTEGER)) {
          expect(decodeStatus(status).revision).toBe(Number(revision));
          expect(decodeHashKV(hash).compactRevision).toBe(Number(revision));
        } else {
          expect(() => decodeStatus(status)).toThrow(NumberBeyondExactError);
          expect(() => decodeHashKV(hash)).toThrow(NumberBeyondExactError);
        }
      }),
      { seed },
    );
  });

  it('give ids with all their bits, as etcdctl prints them', () => {
    const message = encode(StatusResponseSchema, { header: { memberId: 2n ** 64n - 2n }, leader: 0x10500n });
    expect(decodeStatus(message)).toMatchObject({ clusterId: '0', memberId: 'fffffffffffffffe', leaderId: '10500' });
    expect(decodeRange(encode(RangeResponseSchema, { kvs: [{ lease: 0x7fn }] })).kvs).toMatchObject([{ lease: '7f' }]);
  });

  it('have the defaults of what is left out, as kine leaves the header out', () => {
    expect(decodeStatus(Buffer.alloc(0))).toMatchObject({ clusterId: '0', revision: 0, version: '', alarms: [] });
    expect(decodeRange(Buffer.alloc(0))).toEqual({ revision: 0, more: false, count: 0, kvs: [] });
  });

  it('ask for no end of a range, and for no limit, by leaving them out', () => {
    const key = Buffer.from('/a');
    expect(encodeDeleteRangeRequest(key, Buffer.alloc(0))).toEqual(encodeDeleteRangeRequest(key));
    expect(encodeDeleteRangeRequest(key)).toEqual(new Uint8Array([0x0a, 2, 0x2f, 0x61]));
    expect(encodeRangeRequest({ key })).toEqual(new Uint8Array([0x0a, 2, 0x2f, 0x61]));
    const rangeEnd = Buffer.from('/b');
    expect(Buffer.from(encodeDeleteRangeRequest(key, rangeEnd))).toEqual(
      encode(DeleteRangeRequestSchema, { key, rangeEnd }),
    );
    const all = { key, rangeEnd, keysOnly: true, serializable: true };
    expect(Buffer.from(encodeRangeRequest({ ...all, limit: 2000, revision: 2 ** 40 }))).toEqual(
      encode(RangeRequestSchema, { ...all, limit: 2000n, revision: 2n ** 40n }),
    );
  });

  it('name no alarm that we do not know', () => {
    const decoded = [0, 1, 2, 3].map((alarm) => decodeAlarm(encode(AlarmMemberSchema, { alarm: alarm as AlarmType })));
    expect(decoded).toEqual([undefined, 'NOSPACE', 'CORRUPT', undefined]);
  });

  it('of a newer etcd are read although they have fields that are new', () => {
    const fields = new BinaryWriter().tag(1000, WireType.Varint).uint64(2n ** 64n - 1n);
    fields.tag(1001, WireType.Bit64).fixed64(1n).tag(1002, WireType.Bit32).fixed32(1);
    fields.tag(1003, WireType.LengthDelimited).string('new');
    expect(decodeSnapshotChunk(Buffer.concat([fields.finish(), chunk]))).toEqual(decodeSnapshotChunk(chunk));
  });

  it('are refused when they were cut, wherever, unless the rest is a message too', () => {
    const message = encode(SnapshotResponseSchema, { blob: Buffer.alloc(200, 1) });
    for (let length = 1; length < message.length; length += 1) {
      expect(() => decodeSnapshotChunk(message.subarray(0, length))).toThrow(ProtobufError);
    }
  });

  it.each<[string, (message: Buffer) => unknown]>([
    ['Status', decodeStatus],
    ['MemberList', decodeMemberList],
    ['Range', decodeRange],
    ['Snapshot', decodeSnapshotChunk],
  ])('of %s never hang or throw anything else on arbitrary bytes', (_, decode) => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        try {
          decode(Buffer.from(bytes));
        } catch (error) {
          expect(error).toBeInstanceOf(ProtobufError);
        }
      }),
      { seed },
    );
  });
});
