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
 * one that spans pieces is put together in memory that is used again. Either is good until the next one is asked for.
 */
export class FrameReader {
  #unfinished = Buffer.alloc(HEADER_BYTES);
  #unfinishedBytes = 0;

  /** Adds a piece and yields the messages that are complete now; all of them have to be taken. */
  *push(piece: Buffer): Generator<Buffer, void, undefined> {
    let offset = 0;
    if (this.#unfinishedBytes > 0) {
      if (this.#unfinishedBytes < HEADER_BYTES) offset += this.#finish(piece, offset, HEADER_BYTES);
      if (this.#unfinishedBytes < HEADER_BYTES) return;
      const frameBytes = frameLength(this.#unfinished, 0);
      offset += this.#finish(piece, offset, frameBytes);
      if (this.#unfinishedBytes < frameBytes) return;
      this.#unfinishedBytes = 0;
      yield this.#unfinished.subarray(HEADER_BYTES, frameBytes);
    }
    while (piece.length - offset >= HEADER_BYTES) {
      const end = offset + frameLength(piece, offset);
      if (end > piece.length) break;
      yield piece.subarray(offset + HEADER_BYTES, end);
      offset = end;
    }
    this.#finish(piece, offset, piece.length - offset);
  }

  /** Whether the stream may end here: nothing of an unfinished message is left. */
  get isEmpty(): boolean {
    return this.#unfinishedBytes === 0;
  }

  /** Adds to the unfinished message until it has `wantedBytes`; gives how many bytes of the piece that took. */
  #finish(piece: Buffer, offset: number, wantedBytes: number): number {
    if (this.#unfinished.length < wantedBytes) {
      const larger = Buffer.allocUnsafe(wantedBytes);
      this.#unfinished.copy(larger, 0, 0, this.#unfinishedBytes);
      this.#unfinished = larger;
    }
    const taken = piece.copy(
      this.#unfinished,
      this.#unfinishedBytes,
      offset,
      offset + wantedBytes - this.#unfinishedBytes,
    );
    this.#unfinishedBytes += taken;
    return taken;
  }
}

/** Length of the frame whose header is at `offset`, header included. */
function frameLength(bytes: Buffer, offset: number): number {
  const messageBytes = bytes.readUInt32BE(offset + 1);
  if (bytes[offset] !== 0) throw new GrpcFrameError('a message is compressed although that was not offered');
  if (messageBytes > LARGEST_MESSAGE_BYTES) throw new GrpcFrameError('a message is longer than etcd ever sends');
  return HEADER_BYTES + messageBytes;
}
