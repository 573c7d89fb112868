/** One field of a protobuf message: a number (varint), or bytes (length-delimited). Fixed-width fields do not occur in etcd. */
export type ProtobufField =
  { readonly number: number; readonly varint: bigint } | { readonly number: number; readonly bytes: Buffer };

const VARINT = 0;
const FIXED64 = 1;
const LENGTH_DELIMITED = 2;
const FIXED32 = 5;

/** Thrown for bytes that are no protobuf message; callers translate it, as it knows nothing of where they came from. */
export class ProtobufError extends Error {
  override readonly name = 'ProtobufError';
}

/** Yields the fields of a message in their order; `bytes` are views into the message. Skips fixed-width fields. */
export function* protobufFields(message: Buffer): Generator<ProtobufField> {
  let offset = 0;
  while (offset < message.length) {
    const tag = readVarint(message, offset);
    const number = Number(tag.value >> 3n);
    const wireType = Number(tag.value & 7n);
    offset = tag.end;
    if (wireType === VARINT) {
      const { value, end } = readVarint(message, offset);
      offset = end;
      yield { number, varint: value };
    } else if (wireType === LENGTH_DELIMITED) {
      const length = readVarint(message, offset);
      const end = length.end + Number(length.value);
      if (end > message.length) throw new ProtobufError('a field is longer than its message');
      offset = end;
      yield { number, bytes: message.subarray(length.end, end) };
    } else if (wireType === FIXED64 || wireType === FIXED32) {
      offset += wireType === FIXED64 ? 8 : 4;
    } else {
      throw new ProtobufError(`wire type ${wireType} does not exist`);
    }
  }
  if (offset !== message.length) throw new ProtobufError('the message ends within a field');
}

/** Encodes the fields; numbers are given as bigint. Zero and empty values are the caller's to leave out. */
export function encodeProtobuf(fields: readonly ProtobufField[]): Buffer {
  return Buffer.concat(
    fields.flatMap((field) =>
      'varint' in field
        ? [encodeVarint(BigInt(field.number << 3) | BigInt(VARINT)), encodeVarint(field.varint)]
        : [
            encodeVarint(BigInt((field.number << 3) | LENGTH_DELIMITED)),
            encodeVarint(BigInt(field.bytes.length)),
            field.bytes,
          ],
    ),
  );
}

// Up to 28 bits in plain numbers: bigint arithmetic for the length of every 32 KiB chunk would show in the profile.
function readVarint(message: Buffer, start: number): { readonly value: bigint; readonly end: number } {
  let small = 0;
  for (let index = 0; index < 4; index += 1) {
    const byte = message[start + index];
    if (byte === undefined) throw new ProtobufError('the message ends within a number');
    small |= (byte & 0x7f) << (7 * index);
    if (byte < 0x80) return { value: BigInt(small), end: start + index + 1 };
  }
  let value = BigInt(small);
  for (let index = 4; index < 10; index += 1) {
    const byte = message[start + index];
    if (byte === undefined) throw new ProtobufError('the message ends within a number');
    value |= BigInt(byte & 0x7f) << BigInt(7 * index);
    if (byte < 0x80) return { value: BigInt.asUintN(64, value), end: start + index + 1 };
  }
  throw new ProtobufError('a number is longer than ten bytes');
}

function encodeVarint(value: bigint): Buffer {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, value);
  do {
    const more = rest > 0x7fn;
    bytes.push(Number(rest & 0x7fn) | (more ? 0x80 : 0));
    rest >>= 7n;
  } while (rest > 0n);
  return Buffer.from(bytes);
}
