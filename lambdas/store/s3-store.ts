import { Readable } from 'node:stream';
import { GetObjectCommand, ListObjectsV2Command } from '@aws-sdk/client-s3';
import { checkedKey, checkedPrefix, checkedRange } from './object-key.ts';
import type {
  ObjectHistory,
  ObjectStore,
  Observation,
  PresignedUrl,
  PutOptions,
  StoredObject,
  UnfinishedUpload,
  Upload,
} from './object-store.ts';
import { resumingStream, type Body } from './s3-body.ts';
import { S3Bucket, type S3Options } from './s3-bucket.ts';
import { notS3Error } from './s3-errors.ts';
import { abortMultipartUpload, listMultipartUploads } from './s3-multipart.ts';
import { presignDownload } from './s3-presign.ts';
import { S3Upload } from './s3-upload.ts';
import { readHistory, removeVersions } from './s3-versions.ts';
import { S3Write } from './s3-write.ts';

/** Objects in a bucket of S3 or of anything that speaks its protocol, below a prefix (may be empty, without outer slashes). */
export class S3Store implements ObjectStore {
  readonly #bucket: S3Bucket;

  /** Nothing is contacted before the first call. */
  constructor(bucket: string, prefix: string, options: S3Options = {}) {
    this.#bucket = new S3Bucket(bucket, prefix, options);
  }

  get location(): string {
    return this.#bucket.location;
  }

  async put(key: string, body: Uint8Array, options: PutOptions = {}): Promise<StoredObject> {
    return new S3Write(this.#bucket, checkedKey(key), options).put(body);
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- the port's promise; S3 is told with the first full part
  async beginUpload(key: string, options: PutOptions & { expectedSizeBytes?: number } = {}): Promise<Upload> {
    const write = new S3Write(this.#bucket, checkedKey(key), options);
    return new S3Upload(this.#bucket, key, write, options.expectedSizeBytes);
  }

  async head(key: string): Promise<StoredObject | undefined> {
    const found = await this.#bucket.look(checkedKey(key));
    return found && this.#bucket.storedObject(key, found.ContentLength, found.ETag, found.LastModified);
  }

  async observe(key: string): Promise<Observation> {
    let date: string | undefined;
    const found = await this.#bucket.look(checkedKey(key), (answered) => (date = answered));
    const at = new Date(date ?? '');
    if (Number.isNaN(at.getTime())) throw notS3Error(this.location);
    return {
      stored: found && this.#bucket.storedObject(key, found.ContentLength, found.ETag, found.LastModified),
      at,
    };
  }

  async read(key: string, range?: { readonly start: number; readonly end: number }): Promise<Readable> {
    const wanted = checkedRange(range);
    const { start, end } = wanted ?? { start: 0, end: Infinity };
    const answer = await this.#get(checkedKey(key), wanted && `bytes=${start}-${end}`);
    const object = this.#bucket.call('read', key, 's3:GetObject').object;
    return resumingStream(object, answer, (fromByte) => {
      const lastByte = start + answer.lengthBytes - 1;
      return this.#get(key, `bytes=${start + fromByte}-${lastByte}`, answer.etag);
    });
  }

  async presign(key: string, seconds: number): Promise<PresignedUrl> {
    return await presignDownload(this.#bucket, checkedKey(key), seconds);
  }

  async *list(prefix: string): AsyncGenerator<StoredObject> {
    checkedPrefix(prefix);
    const call = this.#bucket.call('list', prefix, 's3:ListBucket');
    let token: string | undefined;
    do {
      const command = new ListObjectsV2Command({
        Bucket: this.#bucket.name,
        Prefix: this.#bucket.fullKey(prefix),
        ...(token === undefined ? {} : { ContinuationToken: token }),
      });
      const page = await this.#bucket.run(call, (http) => this.#bucket.client.send(command, http));
      if (page.IsTruncated === undefined) throw notS3Error(this.location);
      for (const { Key: key = '', Size, ETag, LastModified } of page.Contents ?? []) {
        // The console makes folders as empty objects with such names.
        if (!key.endsWith('/')) yield this.#bucket.storedObject(this.#bucket.ownKey(key), Size, ETag, LastModified);
      }
      token = page.NextContinuationToken;
    } while (token !== undefined);
  }

  async remove(key: string): Promise<void> {
    await removeVersions(this.#bucket, checkedKey(key));
  }

  async history(key: string): Promise<ObjectHistory> {
    return await readHistory(this.#bucket, checkedKey(key));
  }

  async *unfinishedUploads(prefix: string): AsyncGenerator<UnfinishedUpload> {
    checkedPrefix(prefix);
    for await (const { key, uploadId, begunAt } of listMultipartUploads(this.#bucket, prefix)) {
      // Without a time nobody knows whether it is still being written.
      if (begunAt === undefined) continue;
      yield { key, activeAt: begunAt, discard: () => abortMultipartUpload(this.#bucket, key, uploadId) };
    }
  }

  /** Empty when the range begins behind the object's end. */
  async #get(key: string, range: string | undefined, etag?: string): Promise<Answer> {
    const command = new GetObjectCommand({
      Bucket: this.#bucket.name,
      Key: this.#bucket.fullKey(key),
      ...(range === undefined ? {} : { Range: range }),
      ...(etag === undefined ? {} : { IfMatch: etag }),
    });
    return this.#bucket.run<Answer>(
      this.#bucket.call('read', key, 's3:GetObject'),
      async (http) => {
        const { Body, ETag, ContentLength } = await this.#bucket.client.send(command, http);
        if (!(Body instanceof Readable) || ETag === undefined || ContentLength === undefined) {
          throw notS3Error(this.location);
        }
        return { body: Body, etag: ETag, lengthBytes: ContentLength };
      },
      {
        rescue: ({ failure, error }) => {
          if (failure.status !== 416) throw error;
          return { body: Readable.from([]), etag: '', lengthBytes: 0 };
        },
      },
    );
  }
}

/** What S3 answers to a read. */
interface Answer extends Body {
  readonly etag: string;
}
