import { crc32 } from 'node:zlib';
import {
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  UploadPartCommand,
  type CompletedPart,
} from '@aws-sdk/client-s3';
import { ConfigurationError, StoreUnavailableError } from '../domain/errors.ts';
import type { StoredObject, Upload } from './object-store.ts';
import type { S3Bucket } from './s3-bucket.ts';
import { notS3Error } from './s3-errors.ts';
import { CLOCK_DIFFERENCE_MILLISECONDS } from './s3-lock.ts';
import { abortMultipartUpload, countParts, listMultipartUploads } from './s3-multipart.ts';
import { sendInSlices } from './s3-slices.ts';
import type { S3Write } from './s3-write.ts';

const MEBIBYTE = 1024 * 1024;
/** S3 takes 5 MiB to 5 GiB a part (but for the last). */
const SMALLEST_PART_BYTES = 8 * MEBIBYTE;
/** S3's quota of parts, and how many are planned for, as the expected size is an estimate. */
const MOST_PARTS = 10_000;
const PLANNED_PARTS = 9_000;
/** With one more being filled this bounds the memory of an upload to four parts. */
const PARTS_IN_FLIGHT = 3;

/** Size of the parts, in whole MiB, for an upload of about this size. */
export function partSizeBytes(expectedSizeBytes = 0): number {
  return Math.max(SMALLEST_PART_BYTES, Math.ceil(expectedSizeBytes / PLANNED_PARTS / MEBIBYTE) * MEBIBYTE);
}

/**
 * An upload in parts. The multipart upload is begun with the first full part: what is smaller than one part goes in one
 * request, at `complete`.
 */
export class S3Upload implements Upload {
  readonly #bucket: S3Bucket;
  readonly #key: string;
  readonly #write: S3Write;
  readonly #partSizeBytes: number;
  readonly #stop = new AbortController();
  readonly #inFlight = new Set<Promise<void>>();
  readonly #parts: CompletedPart[] = [];
  /** Buffers of parts that have arrived, to be filled again. */
  readonly #spare: Buffer[] = [];
  #filling: Buffer | undefined;
  #filledBytes = 0;
  #sizeBytes = 0;
  #partCount = 0;
  #uploadId: string | undefined;
  #beginning: Promise<string> | undefined;
  #committing: Promise<StoredObject> | undefined;
  /** Since when an upload may have been begun whose id was lost with the answer. */
  #lostSince: Date | undefined;
  #failure: Error | undefined;

  constructor(bucket: S3Bucket, key: string, write: S3Write, expectedSizeBytes: number | undefined) {
    this.#bucket = bucket;
    this.#key = key;
    this.#write = write;
    this.#partSizeBytes = partSizeBytes(expectedSizeBytes);
  }

  async write(chunk: Uint8Array): Promise<void> {
    this.#throwIfEnded();
    for (let offset = 0; offset < chunk.byteLength;) {
      const part = (this.#filling ??= this.#spare.pop() ?? Buffer.allocUnsafeSlow(this.#partSizeBytes));
      const room = part.byteLength - this.#filledBytes;
      part.set(chunk.subarray(offset, offset + room), this.#filledBytes);
      const taken = Math.min(room, chunk.byteLength - offset);
      offset += taken;
      this.#filledBytes += taken;
      this.#sizeBytes += taken;
      if (this.#filledBytes === part.byteLength) await this.#send(part);
    }
  }

  async complete(): Promise<StoredObject> {
    this.#throwIfEnded();
    const rest = this.#filling?.subarray(0, this.#filledBytes) ?? Buffer.alloc(0);
    if (this.#uploadId === undefined) {
      this.#committing = this.#write.put(rest);
    } else {
      if (rest.byteLength > 0) await this.#send(rest);
      await Promise.all(this.#inFlight);
      this.#throwIfEnded();
      this.#committing = this.#commitParts(this.#uploadId);
    }
    return this.#committing;
  }

  async abort(): Promise<void> {
    this.#stop.abort(new StoreUnavailableError(`the upload of ${this.#key} was aborted`));
    const [committed] = await Promise.allSettled([this.#committing, this.#beginning]);
    if (committed.status === 'fulfilled' && committed.value !== undefined) return;
    // A part that arrives after the abort would stay, and be paid for.
    await Promise.all(this.#inFlight);
    if (this.#uploadId !== undefined) await abortMultipartUpload(this.#bucket, this.#key, this.#uploadId);
    await this.#discardLost();
    if (this.#committing !== undefined) await this.#write.retract();
  }

  #throwIfEnded(): void {
    if (this.#failure !== undefined) throw this.#failure;
    this.#stop.signal.throwIfAborted();
  }

  /** Starts the upload of a part, as soon as there is room for one more on the way. */
  async #send(part: Buffer): Promise<void> {
    this.#filling = undefined;
    this.#filledBytes = 0;
    this.#partCount += 1;
    if (this.#partCount > MOST_PARTS) {
      throw new ConfigurationError(
        `could not write ${this.#key}: it is larger than ${MOST_PARTS} parts of ${part.byteLength} bytes`,
        {
          remedy: 'The size that was announced for it was far too small.',
        },
      );
    }
    const uploadId = await (this.#beginning ??= this.#begin());
    while (this.#inFlight.size >= PARTS_IN_FLIGHT) await Promise.race(this.#inFlight);
    this.#throwIfEnded();
    const sending = this.#sendPart(uploadId, this.#partCount, part)
      .catch((error: unknown) => {
        this.#failure ??= error as Error;
      })
      .finally(() => this.#inFlight.delete(sending));
    this.#inFlight.add(sending);
  }

  async #begin(): Promise<string> {
    const begunAt = new Date();
    const command = new CreateMultipartUploadCommand({
      ...this.#target(),
      ChecksumAlgorithm: 'CRC32',
      ...this.#write.protection,
    });
    let attempts = 0;
    this.#lostSince = begunAt;
    const { UploadId } = await this.#bucket.run(
      this.#call('begin an upload to', 's3:PutObject'),
      (http) => {
        attempts += 1;
        return this.#bucket.client.send(command, http);
      },
      { signal: this.#stop.signal },
    );
    if (UploadId === undefined) throw notS3Error(this.#bucket.location);
    this.#uploadId = UploadId;
    if (attempts === 1) this.#lostSince = undefined;
    await this.#discardLost();
    return UploadId;
  }

  async #sendPart(uploadId: string, PartNumber: number, part: Buffer): Promise<void> {
    const ChecksumCRC32 = crc32Base64(part);
    const input = { ...this.#target(), UploadId: uploadId, PartNumber, Body: part, ChecksumCRC32 };
    const { ETag } = await this.#bucket.run(
      this.#call(`upload part ${PartNumber} of`, 's3:PutObject'),
      (http, awaited) => {
        const command = sendInSlices(new UploadPartCommand(input), awaited);
        leavePayloadUnsigned(command);
        return this.#bucket.client.send(command, http);
      },
      { signal: this.#stop.signal, bodyBytes: part.byteLength },
    );
    this.#parts[PartNumber - 1] = { PartNumber, ETag, ChecksumCRC32 };
    if (part.byteLength === this.#partSizeBytes) this.#spare.push(part);
  }

  async #commitParts(uploadId: string): Promise<StoredObject> {
    const command = new CompleteMultipartUploadCommand({
      ...this.#target(),
      UploadId: uploadId,
      MultipartUpload: { Parts: this.#parts },
      ...this.#write.conditions,
    });
    return this.#write.commit((http) => this.#bucket.client.send(command, http), this.#sizeBytes, 0);
  }

  /**
   * Aborts what an attempt to begin an upload has left whose answer was lost. S3 keeps nothing by which an upload is known
   * again, so it is an upload to this very key, begun since, that has no part yet.
   */
  async #discardLost(): Promise<void> {
    if (this.#lostSince === undefined) return;
    const since = this.#lostSince.getTime() - CLOCK_DIFFERENCE_MILLISECONDS;
    for await (const { key, uploadId, begunAt } of listMultipartUploads(this.#bucket, this.#key)) {
      if (key !== this.#key || uploadId === this.#uploadId) continue;
      if (begunAt !== undefined && begunAt.getTime() < since) continue;
      if ((await countParts(this.#bucket, key, uploadId)) === 0)
        await abortMultipartUpload(this.#bucket, key, uploadId);
    }
    this.#lostSince = undefined;
  }

  #target(): { Bucket: string; Key: string } {
    return { Bucket: this.#bucket.name, Key: this.#bucket.fullKey(this.#key) };
  }

  #call(verb: string, permission: string) {
    return this.#bucket.call(verb, this.#key, permission);
  }
}

/** As S3 wants it: base64 of the four bytes, the highest first. */
function crc32Base64(bytes: Uint8Array): string {
  const checksum = Buffer.allocUnsafe(4);
  checksum.writeUInt32BE(crc32(bytes));
  return checksum.toString('base64');
}

/**
 * Spares the signature over a part's bytes: SHA-256 would be the most expensive step of a backup. The checksum tells what
 * is damaged on the way, the manifest (which is signed) whether anything else was changed.
 */
function leavePayloadUnsigned(command: UploadPartCommand): void {
  command.middlewareStack.add(
    (next) => (args) => {
      Object.assign((args.request as { headers: object }).headers, { 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' });
      return next(args);
    },
    { step: 'build', name: 'leavePayloadUnsigned' },
  );
}
