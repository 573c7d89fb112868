import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { encodeProtobuf, protobufFields, ProtobufError } from '../../../lambdas/datastores/etcd/wire/protobuf.ts';
import { seed } from '../../suite/seed.ts';

const number = fc.integer({ min: 1, max: 2 ** 20 });
const field = fc.oneof(
  fc.record({ number, varint: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }) }),
  fc.record({ number, bytes: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)) }),
);

describe('the protobuf codec', () => {
  it('reads back what it wrote', () => {
    fc.assert(
      fc.property(fc.array(field), (fields) => {
        expect([...protobufFields(encodeProtobuf(fields))]).toEqual(fields);
      }),
      { seed },
    );
  });

  it('refuses a message that was cut, wherever, unless the rest is a message too', () => {
    const message = encodeProtobuf([{ number: 3, bytes: Buffer.alloc(200, 1) }]);
    for (let length = 1; length < message.length; length += 1) {
      expect(() => [...protobufFields(message.subarray(0, length))]).toThrow(ProtobufError);
    }
  });

  it('never hangs or throws anything else on arbitrary bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        try {
          Array.from(protobufFields(Buffer.from(bytes)));
        } catch (error) {
          expect(error).toBeInstanceOf(ProtobufError);
        }
      }),
      { seed },
    );
  });

  it('skips fields of fixed width', () => {
    const message = Buffer.from([0x09, 1, 2, 3, 4, 5, 6, 7, 8, 0x15, 1, 2, 3, 4, 0x18, 5]);
    expect([...protobufFields(message)]).toEqual([{ number: 3, varint: 5n }]);
  });
});
