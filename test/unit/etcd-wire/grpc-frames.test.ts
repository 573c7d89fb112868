import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { encodeFrame, FrameReader, GrpcFrameError } from '../../../lambdas/datastores/etcd/wire/grpc-frames.ts';
import { seed } from '../../suite/seed.ts';

/** A message is good only until the next one is asked for. */
function* copies(messages: Iterable<Buffer>): Generator<Buffer> {
  for (const message of messages) yield Buffer.from(message);
}

describe('the gRPC frame reader', () => {
  it('finds the same messages with the stream cut in two at every offset', () => {
    const messages = ['', 'a', 'bcd', 'x'.repeat(40)].map((text) => Buffer.from(text));
    const stream = Buffer.concat(messages.map(encodeFrame));
    for (let cut = 0; cut <= stream.length; cut += 1) {
      const reader = new FrameReader();
      const found = [...copies(reader.push(stream.subarray(0, cut))), ...copies(reader.push(stream.subarray(cut)))];
      expect(found).toEqual(messages);
      expect(reader.isEmpty).toBe(true);
    }
  });

  it('finds the same messages in pieces of any sizes', () => {
    const messages = fc.array(fc.uint8Array({ maxLength: 100 }).map((bytes) => Buffer.from(bytes)));
    fc.assert(
      fc.property(messages, fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1 }), (expected, sizes) => {
        const stream = Buffer.concat(expected.map(encodeFrame));
        const reader = new FrameReader();
        const found: Buffer[] = [];
        for (let offset = 0, turn = 0; offset < stream.length; turn += 1) {
          const size = sizes[turn % sizes.length] ?? 1;
          found.push(...copies(reader.push(stream.subarray(offset, offset + size))));
          offset += size;
        }
        expect(found).toEqual(expected);
      }),
      { seed },
    );
  });

  it('knows that the stream ended within a message', () => {
    const reader = new FrameReader();
    expect([...reader.push(encodeFrame(Buffer.from('abc')).subarray(0, 7))]).toEqual([]);
    expect(reader.isEmpty).toBe(false);
  });

  it.each([
    ['compressed', Buffer.from([1, 0, 0, 0, 0])],
    ['of a size that etcd never sends', Buffer.from([0, 0x40, 0, 0, 0])],
  ])('refuses a message %s', (_, header) => {
    expect(() => [...new FrameReader().push(header)]).toThrow(GrpcFrameError);
  });
});
