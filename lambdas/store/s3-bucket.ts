import {
  GetObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  S3Client,
  type HeadObjectCommandOutput,
} from '@aws-sdk/client-s3';
import { clientSettings, withAttempts, type Attempt, type AwsLimits, type HttpOptions } from '../aws/attempts.ts';
import type { AwsFailure } from '../aws/aws-failure.ts';
import { NotFoundError, PermissionError, type LifeboatError } from '../domain/errors.ts';
import type { StoredObject } from './object-store.ts';
import { notS3Error, s3Error, type S3Call } from './s3-errors.ts';

/** Bounds of every request; a request with a body gets time for it on top. */
export type S3Limits = AwsLimits;

/** They suit AWS across the Internet. */
const DEFAULT_S3_LIMITS: S3Limits = {
  attempts: 5,
  firstWaitMilliseconds: 200,
  connectMilliseconds: 5_000,
  idleMilliseconds: 20_000,
  attemptMilliseconds: 30_000,
};

/** A slower line than this is taken for broken. */
const SLOWEST_BYTES_PER_MILLISECOND = 128;

/** Which S3 and how, besides credentials, which come from the SDK's default chain; everything has AWS's default. */
export interface S3Options {
  readonly endpoint?: string | undefined;
  readonly region?: string | undefined;
  readonly forcePathStyle?: boolean | undefined;
  readonly limits?: Partial<S3Limits>;
}

/** How a request is made besides the defaults of {@link S3Limits}. */
interface RunOptions<T> {
  /** Gives up, with the signal's reason. */
  readonly signal?: AbortSignal;
  readonly bodyBytes?: number;
  /** Last word on a failure: gives the call's result after all, or throws. */
  readonly rescue?: (refusal: Refusal) => T | Promise<T>;
}

/** A request that failed for good. */
export interface Refusal {
  readonly failure: AwsFailure;
  /** The answer to this or an earlier attempt was lost: it may have had its effect. */
  readonly mayHaveHappened: boolean;
  readonly error: LifeboatError;
}

/** A bucket, or what lies below a prefix in it, with bounded retries, bounded waits and translated errors. */
export class S3Bucket {
  readonly client: S3Client;
  readonly name: string;
  readonly location: string;
  readonly limits: S3Limits;
  readonly #keyPrefix: string;
  #seen = false;

  constructor(name: string, prefix: string, { limits, endpoint, region, forcePathStyle }: S3Options) {
    this.name = name;
    this.location = prefix === '' ? `s3://${name}` : `s3://${name}/${prefix}`;
    this.limits = { ...DEFAULT_S3_LIMITS, ...limits };
    this.#keyPrefix = prefix === '' ? '' : `${prefix}/`;
    this.client = new S3Client({
      ...(endpoint === undefined ? {} : { endpoint }),
      ...(region === undefined ? {} : { region }),
      forcePathStyle: forcePathStyle ?? false,
      ...clientSettings(this.limits),
      // Bodies are hashed by us on the way in and checked against the manifest on the way out.
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
      // It would cost a connection a part.
      expectContinueHeader: false,
    });
  }

  /** Where a key of ours lies in the bucket. */
  fullKey(key: string): string {
    return this.#keyPrefix + key;
  }

  /** The other way round. */
  ownKey(fullKey: string): string {
    return fullKey.slice(this.#keyPrefix.length);
  }

  call(verb: string, key: string, permission: string): S3Call {
    return { verb, object: `s3://${this.name}/${this.fullKey(key)}`, permission };
  }

  /** What S3 tells of an object, as the port gives it. */
  storedObject(
    key: string,
    sizeBytes: number | undefined,
    etag: string | undefined,
    modifiedAt: Date | undefined,
  ): StoredObject {
    if (sizeBytes === undefined || etag === undefined || modifiedAt === undefined) throw notS3Error(this.location);
    return { key, sizeBytes, etag, modifiedAt };
  }

  /** Makes one request until it succeeds, fails for good or has failed too often. */
  async run<T>(
    call: S3Call,
    attempt: Attempt<T>,
    { signal, bodyBytes = 0, rescue = raise }: RunOptions<T> = {},
  ): Promise<T> {
    return withAttempts(
      async (http, awaited) => {
        const result = await attempt(http, awaited);
        this.#seen = true;
        return result;
      },
      {
        from: `the store (${call.verb} ${call.object})`,
        limits: this.limits,
        attemptMilliseconds: this.limits.attemptMilliseconds + bodyBytes / SLOWEST_BYTES_PER_MILLISECOND,
        signal,
        giveUp: (failure, mayHaveHappened) => rescue({ failure, mayHaveHappened, error: s3Error(failure, call) }),
      },
    );
  }

  /**
   * What S3 tells of an object without its bytes; undefined only when it says that there is none. `onAnswer` is told by S3's own
   * clock when it was asked.
   */
  async look(key: string, onAnswer?: (date: string | undefined) => void): Promise<HeadObjectCommandOutput | undefined> {
    const call = this.call('look at', key, 's3:GetObject and s3:ListBucket');
    const object = { Bucket: this.name, Key: this.fullKey(key) };
    return this.run<HeadObjectCommandOutput | undefined>(
      call,
      (http) => {
        const command = new HeadObjectCommand(object);
        if (onAnswer !== undefined) tellDate(command, onAnswer);
        return this.client.send(command, http);
      },
      {
        rescue: async ({ error }) => {
          if (error instanceof PermissionError) {
            throw await this.#reason(call, error, async (http) => {
              const { Body } = await this.client.send(new GetObjectCommand({ ...object, Range: 'bytes=0-0' }), http);
              await Body?.transformToByteArray();
            });
          }
          if (!(error instanceof NotFoundError)) throw error;
          await this.#requireBucket();
          return undefined;
        },
      },
    );
  }

  /** HEAD answers 404 for a missing key and a missing bucket alike. */
  async #requireBucket(): Promise<void> {
    if (this.#seen) return;
    const call: S3Call = { verb: 'find', object: `s3://${this.name}`, permission: 's3:ListBucket' };
    const bucket = { Bucket: this.name };
    await this.run(call, (http) => this.client.send(new HeadBucketCommand(bucket), http), {
      rescue: async ({ error, failure }) => {
        if (!(error instanceof NotFoundError)) throw error;
        const missing = s3Error({ ...failure, code: 'NoSuchBucket' }, call);
        throw await this.#reason(call, missing, (http) =>
          this.client.send(new ListObjectsV2Command({ ...bucket, MaxKeys: 1 }), http),
        );
      },
    });
  }

  /**
   * Why HEAD was refused: its answer has no body, so that it can't tell a wrong secret key from a missing right, nor, at versitygw,
   * an unknown access key from a missing bucket. `ask` asks for the same with an answer that can.
   */
  async #reason(
    call: S3Call,
    refusal: LifeboatError,
    ask: (http: HttpOptions) => Promise<unknown>,
  ): Promise<LifeboatError> {
    return await this.run<LifeboatError>(
      call,
      async (http) => {
        await ask(http);
        return refusal;
      },
      { rescue: ({ error }) => (error instanceof NotFoundError ? refusal : error) },
    );
  }
}

/** The header `Date` of an answer, whatever its status: the SDK gives no other way to it. */
function tellDate(command: HeadObjectCommand, onAnswer: (date: string | undefined) => void): void {
  command.middlewareStack.add(
    (next) => async (args) => {
      const result = await next(args);
      onAnswer((result.response as { readonly headers: Readonly<Record<string, string>> }).headers['date']);
      return result;
    },
    { step: 'deserialize', priority: 'low', name: 'tellDate' },
  );
}

function raise({ error }: Refusal): never {
  throw error;
}
