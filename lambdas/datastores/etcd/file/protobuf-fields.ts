const VARINT = 0;
const FIXED64 = 1;
const LENGTH_DELIMITED = 2;
const FIXED32 = 5;
const LARGEST_TAG = 0xffffffff;

/**
 * Steps over the fields of a protobuf message without copying or allocating, one reader for any number of messages:
 * `begin`, then `next` until it says false. `malformed` is set when the message ends inside of a field.
 */
export class ProtobufFields {
  field = 0;
  /** Whether the field is a string of bytes, which is then from `start` (inclusive) to `end` (exclusive). */
  isBytes = false;
  start = 0;
  end = 0;
  malformed = false;
  #view: DataView = new DataView(new ArrayBuffer(0));
  #at = 0;
  #limit = 0;

  begin(view: DataView, start: number, end: number): void {
    this.#view = view;
    this.#at = start;
    this.#limit = end;
    this.malformed = false;
  }

  next(): boolean {
    if (this.#at >= this.#limit) return false;
    const tag = this.#varint();
    const type = tag & 7;
    this.field = tag >>> 3;
    this.isBytes = type === LENGTH_DELIMITED;
    if (type === VARINT) this.#varint();
    else if (type === LENGTH_DELIMITED) this.#skip(this.#varint());
    else if (type === FIXED64) this.#skip(8);
    else if (type === FIXED32) this.#skip(4);
    else this.malformed = true;
    if (tag > LARGEST_TAG || this.field === 0 || this.#at > this.#limit) this.malformed = true;
    return !this.malformed;
  }

  #skip(lengthBytes: number): void {
    this.start = this.#at;
    this.end = this.start + lengthBytes;
    this.#at = this.end;
  }

  #varint(): number {
    let result = 0;
    for (let scale = 1; scale <= 2 ** 63 && this.#at < this.#limit; scale *= 128) {
      const byte = this.#view.getUint8(this.#at);
      this.#at += 1;
      result += (byte & 127) * scale;
      if (byte < 128) return result;
    }
    this.malformed = true;
    return 0;
  }
}
