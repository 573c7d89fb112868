import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { PortForwardChannels } from '../../../lambdas/kube/port-forward-channels.ts';
import { seed } from '../../suite/seed.ts';

const PORT = 2379;
const preamble = Buffer.from([PORT & 0xff, PORT >> 8]);

describe('the channels of a forwarded port', () => {
  it('give the data after the preamble however both are cut into messages', () => {
    const pieces = fc.array(fc.uint8Array({ minLength: 0, maxLength: 20 }), { maxLength: 10 });
    fc.assert(
      fc.property(pieces, fc.nat({ max: 2 }), fc.boolean(), (data, preambleCut, joined) => {
        const channels = new PortForwardChannels(PORT);
        const messages = [
          preamble.subarray(0, preambleCut),
          preamble.subarray(preambleCut),
          ...data.map((x) => Buffer.from(x)),
        ];
        if (joined) messages.splice(1, 2, Buffer.concat(messages.slice(1, 3)));
        const received = messages.map((payload) => channels.read(Buffer.concat([Buffer.from([0]), payload]))?.payload);
        expect(Buffer.concat(received.map((payload) => payload ?? Buffer.from('missing')))).toEqual(
          Buffer.concat(data),
        );
      }),
      { seed },
    );
  });

  it('count as opened only when both have announced the port', () => {
    const channels = new PortForwardChannels(PORT);
    channels.read(Buffer.concat([Buffer.from([0]), preamble]));
    expect(channels.opened).toBe(false);
    channels.read(Buffer.from([1, PORT & 0xff]));
    expect(channels.opened).toBe(false);
    channels.read(Buffer.from([1, PORT >> 8]));
    expect(channels.opened).toBe(true);
  });

  it('tell errors from data', () => {
    const channels = new PortForwardChannels(PORT);
    const message = Buffer.concat([Buffer.from([1]), preamble, Buffer.from('connection refused')]);
    expect(channels.read(message)).toEqual({ channel: 'error', payload: Buffer.from('connection refused') });
  });

  it.each([
    ['another port', Buffer.from([0, 0x4c, 0x09])],
    ['another channel', Buffer.from([2, 0x4b, 0x09])],
    ['no channel', Buffer.alloc(0)],
  ])('are not those of %s', (_, message) => {
    expect(new PortForwardChannels(PORT).read(message)).toBeUndefined();
  });
});
