const ERROR_CHANNEL = 1;
const PREAMBLE_BYTES = 2;

/** What one message of the server carried beyond the preamble. */
export interface Inbound {
  readonly channel: 'data' | 'error';
  readonly payload: Buffer;
}

/**
 * One forwarded port in the subprotocol `v4.channel.k8s.io`: every message starts with its channel's number, and the first
 * two bytes of each channel are the port in little-endian order, on their own, split, or joined with what follows.
 */
export class PortForwardChannels {
  readonly #port: Buffer;
  readonly #preambleLeft = [PREAMBLE_BYTES, PREAMBLE_BYTES];

  constructor(port: number) {
    this.#port = Buffer.alloc(PREAMBLE_BYTES);
    this.#port.writeUInt16LE(port);
  }

  /** Whether both channels have announced the port. */
  get opened(): boolean {
    return this.#preambleLeft.every((left) => left === 0);
  }

  /** Takes the channel's number and preamble off a message. undefined when it is not of this protocol or for another port. */
  read(message: Buffer): Inbound | undefined {
    const channel = message[0];
    const left = channel === undefined ? undefined : this.#preambleLeft[channel];
    if (channel === undefined || left === undefined) return undefined;
    const preamble = message.subarray(1, 1 + left);
    if (!preamble.equals(this.#port.subarray(PREAMBLE_BYTES - left, PREAMBLE_BYTES - left + preamble.length))) {
      return undefined;
    }
    this.#preambleLeft[channel] = left - preamble.length;
    return { channel: channel === ERROR_CHANNEL ? 'error' : 'data', payload: message.subarray(1 + preamble.length) };
  }
}
