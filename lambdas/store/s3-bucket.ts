import { setTimeout as delay } from 'node:timers/promises';
import { HeadBucketCommand, HeadObjectCommand, S3Client, type HeadObjectCommandOutput } from '@aws-sdk/client-s3';
import { LifeboatError, NotFoundError, RetentionLockedError } from '../domain/errors.ts';
import type { StoredObject } from './object-store.ts';
import { notS3Error, s3Error, type S3Call } from './s3-errors.ts';
import { describeFailure, TIMED_OUT, type S3Failure } from './s3-failure.ts';

/** Bounds of every request; the defaults suit AWS across the Internet. */
export interface S3Limits {
  /** How often a request is made before its failure counts. */
  readonly attempts: number;
  /** Upper bound of the first wait between attempts; doubles with each. */
  readonly firstWaitMilliseconds: number;
  readonly connectMilliseconds: number;
  /** Longest silence on a connection, also in the middle of a body. */
  readonly idleMilliseconds: number;
  /** For one attempt up to the head of its answer; requests with a body get time for it on top. */
  readonly attemptMilliseconds: number;
}

const DEFAULT_S3_LIMITS: S3Limits = {
  attempts: 5,
  firstWaitMilliseconds: 200,
  connectMilliseconds: 5_000,
  idleMilliseconds: 20_000,
  attemptMilliseconds: 30_000,
};

const LONGEST_WAIT_MILLISECONDS = 5_000;
/** A slower line than this is taken for broken. */
const SLOWEST_BYTES_PER_MILLISECOND = 128;

/** Which S3 and how, besides credentials, which come from the SDK's default chain; everything has AWS's default. */
export interface S3Options {
  readonly endpoint?: string | undefined;
  readonly region?: string | undefined;
  readonly forcePathStyle?: boolean | undefined;
  readonly limits?: Partial<S3Limits>;
}

/** What a request is handed to the client with. */
export interface HttpOptions {
  readonly abortSignal: AbortSignal;
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
  readonly failure: S3Failure;
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
      // Retries are ours: only so is it known whether an earlier attempt of a conditional write may have succeeded.
      maxAttempts: 1,
      // Bodies are hashed by us on the way in and checked against the manifest on the way out.
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
      // It would cost a connection a part.
      expectContinueHeader: false,
      requestHandler: {
        connectionTimeout: this.limits.connectMilliseconds,
        socketTimeout: this.limits.idleMilliseconds,
      },
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
    attempt: (http: HttpOptions) => Promise<T>,
    { signal, bodyBytes = 0, rescue = raise }: RunOptions<T> = {},
  ): Promise<T> {
    const timeout = this.limits.attemptMilliseconds + bodyBytes / SLOWEST_BYTES_PER_MILLISECOND;
    let mayHaveHappened = false;
    for (let count = 1; ; count += 1) {
      try {
        const result = await attemptWithin(timeout, signal, attempt);
        this.#seen = true;
        return result;
      } catch (error) {
        signal?.throwIfAborted();
        if (error instanceof LifeboatError) throw error;
        const failure = describeFailure(error);
        mayHaveHappened ||= failure.mayHaveHappened;
        if (!failure.retryable || count >= this.limits.attempts) {
          return rescue({ failure, mayHaveHappened, error: s3Error(failure, call) });
        }
        await this.pause(count, signal);
      }
    }
  }

  /** Waits a random time that grows with the count of attempts. */
  async pause(count: number, signal?: AbortSignal): Promise<void> {
    const bound = Math.min(LONGEST_WAIT_MILLISECONDS, this.limits.firstWaitMilliseconds * 2 ** (count - 1));
    await delay(Math.random() * bound, undefined, signal === undefined ? {} : { signal });
  }

  /** What S3 tells of an object without its bytes; undefined only when it says that there is none. */
  async look(key: string): Promise<HeadObjectCommandOutput | undefined> {
    return this.run<HeadObjectCommandOutput | undefined>(
      this.call('look at', key, 's3:GetObject and s3:ListBucket'),
      (http) => this.client.send(new HeadObjectCommand({ Bucket: this.name, Key: this.fullKey(key) }), http),
      {
        rescue: async ({ error }) => {
          if (!(error instanceof NotFoundError)) throw error;
          await this.#requireBucket();
          return undefined;
        },
      },
    );
  }

  /** RetentionLockedError when the object is under a retention lock or a legal hold. */
  async refuseLocked(key: string): Promise<void> {
    const found = await this.look(key);
    const until = found?.ObjectLockRetainUntilDate;
    const { object } = this.call('look at', key, '');
    if (found?.ObjectLockLegalHoldStatus === 'ON') {
      throw new RetentionLockedError(`${object} is under a legal hold`, {
        remedy: 'Keep it, or have the legal hold released by whoever put it there.',
      });
    }
    if (until !== undefined && until > new Date()) {
      throw new RetentionLockedError(`${object} is locked until ${until.toISOString()}`, {
        remedy: 'Keep it until then; nobody can remove it earlier in compliance mode.',
      });
    }
  }

  /** HEAD answers 404 for a missing key and a missing bucket alike. */
  async #requireBucket(): Promise<void> {
    if (this.#seen) return;
    const call: S3Call = { verb: 'find', object: `s3://${this.name}`, permission: 's3:ListBucket' };
    await this.run(call, (http) => this.client.send(new HeadBucketCommand({ Bucket: this.name }), http), {
      rescue: ({ error, failure }) => {
        throw error instanceof NotFoundError ? s3Error({ ...failure, code: 'NoSuchBucket' }, call) : error;
      },
    });
  }
}

function raise({ error }: Refusal): never {
  throw error;
}

/** The timer ends with the head of the answer: a body may take as long as whoever reads it. */
async function attemptWithin<T>(
  milliseconds: number,
  signal: AbortSignal | undefined,
  attempt: (http: HttpOptions) => Promise<T>,
): Promise<T> {
  signal?.throwIfAborted();
  const timer = new AbortController();
  const timeout = setTimeout(() => {
    timer.abort();
  }, milliseconds);
  try {
    const abortSignal = signal === undefined ? timer.signal : AbortSignal.any([signal, timer.signal]);
    return await attempt({ abortSignal });
  } catch (error) {
    throw timer.signal.aborted ? Object.assign(new Error('no answer'), { code: TIMED_OUT }) : error;
  } finally {
    clearTimeout(timeout);
  }
}
