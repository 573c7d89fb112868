const HEADER_BYTES = 5;
// etcd's own limit for one message is 1.5 MiB and a snapshot's chunk 32 KiB; more is not an etcd on the other side.
const LARGEST_MESSAGE_BYTES = 4 * 1024 * 1024;

/** Thrown for bytes that are no gRPC frames; callers translate it. */
export class GrpcFrameError extends Error {
  override readonly name = 'GrpcFrameError';
}

/** One message in gRPC's framing: a byte for compression (none), the length, the message. */
export function encodeFrame(message: Uint8Array): Buffer {
  const frame = Buffer.alloc(HEADER_BYTES + message.length);
  frame.writeUInt32BE(message.length, 1);
  frame.set(message, HEADER_BYTES);
  return frame;
}

/**
 * Takes messages out of the bytes of a stream, however they are cut. A message that lies in one piece is a view into it;
 * only one that spans pieces is copied, once.
 */
export class FrameReader {
  #pieces: Buffer[] = [];
  #bytes = 0;

  /** Adds a piece and returns the messages that are complete now. */
  push(piece: Buffer): Buffer[] {
    this.#pieces.push(piece);
    this.#bytes += piece.length;
    const messages: Buffer[] = [];
    while (this.#bytes >= HEADER_BYTES) {
      const header = this.#peek(HEADER_BYTES);
      const length = header.readUInt32BE(1);
      if (header[0] !== 0) throw new GrpcFrameError('a message is compressed although that was not offered');
      if (length > LARGEST_MESSAGE_BYTES) throw new GrpcFrameError('a message is longer than etcd ever sends');
      if (this.#bytes < HEADER_BYTES + length) break;
      const frame = this.#take(HEADER_BYTES + length);
      messages.push(frame.subarray(HEADER_BYTES));
    }
    return messages;
  }

  /** Whether the stream may end here: nothing of an unfinished message is left. */
  get isEmpty(): boolean {
    return this.#bytes === 0;
  }

  /** The first bytes in one piece; they stay. */
  #peek(count: number): Buffer {
    const [first] = this.#pieces;
    if (first === undefined || first.length < count) this.#pieces = [Buffer.concat(this.#pieces)];
    return (this.#pieces[0] ?? Buffer.alloc(0)).subarray(0, count);
  }

  #take(count: number): Buffer {
    const taken: Buffer[] = [];
    let left = count;
    while (left > 0) {
      const piece = this.#pieces.shift() ?? Buffer.alloc(0);
      taken.push(piece.subarray(0, left));
      if (piece.length > left) this.#pieces.unshift(piece.subarray(left));
      left -= Math.min(left, piece.length);
    }
    this.#bytes -= count;
    const [only] = taken;
    return taken.length === 1 && only !== undefined ? only : Buffer.concat(taken, count);
  }
}
