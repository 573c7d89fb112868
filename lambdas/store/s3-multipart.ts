import { AbortMultipartUploadCommand, ListMultipartUploadsCommand, ListPartsCommand } from '@aws-sdk/client-s3';
import { pause } from '../aws/attempts.ts';
import { StoreUnavailableError } from '../domain/errors.ts';
import type { Refusal, S3Bucket } from './s3-bucket.ts';

const ABORT_ATTEMPTS = 5;

/** A multipart upload that S3 lists as neither complete nor aborted. */
export interface MultipartUpload {
  readonly key: string;
  readonly uploadId: string;
  /** By S3's clock; some services do not tell. */
  readonly begunAt: Date | undefined;
}

/**
 * Multipart uploads to keys that begin with the prefix. Of more than a page (a thousand) some to the key at the page's end
 * may be left out: versitygw 1.8 refuses the upload id as a marker, so the listing goes on by the key alone.
 */
export async function* listMultipartUploads(bucket: S3Bucket, prefix: string): AsyncGenerator<MultipartUpload> {
  let from: { KeyMarker?: string } = {};
  for (;;) {
    const command = new ListMultipartUploadsCommand({ Bucket: bucket.name, Prefix: bucket.fullKey(prefix), ...from });
    const {
      Uploads = [],
      IsTruncated,
      NextKeyMarker,
    } = await bucket.run(
      bucket.call('list the unfinished uploads to', prefix, 's3:ListBucketMultipartUploads'),
      (http) => bucket.client.send(command, http),
    );
    for (const { Key, UploadId: uploadId, Initiated: begunAt } of Uploads) {
      if (Key !== undefined && uploadId !== undefined) yield { key: bucket.ownKey(Key), uploadId, begunAt };
    }
    if (IsTruncated !== true || NextKeyMarker === undefined) return;
    from = { KeyMarker: NextKeyMarker };
  }
}

/** Aborts a multipart upload until S3 lists no part of it any more: a part on its way may still arrive after an abort. */
export async function abortMultipartUpload(bucket: S3Bucket, key: string, UploadId: string): Promise<void> {
  const upload = { Bucket: bucket.name, Key: bucket.fullKey(key), UploadId };
  for (let count = 1; count <= ABORT_ATTEMPTS; count += 1) {
    await bucket.run<unknown>(
      bucket.call('abort an upload to', key, 's3:AbortMultipartUpload'),
      (http) => bucket.client.send(new AbortMultipartUploadCommand(upload), http),
      { rescue: goneIsFine },
    );
    if ((await countParts(bucket, key, UploadId)) === undefined) return;
    await pause(count, bucket.limits);
  }
  throw new StoreUnavailableError(`upload ${UploadId} to ${key} in ${bucket.location} was aborted and is still there`, {
    remedy: 'Abort it with "aws s3api abort-multipart-upload", or let a lifecycle rule do it.',
  });
}

/** Parts of a multipart upload, counted up to one, or undefined when there is no such upload. */
export async function countParts(bucket: S3Bucket, key: string, UploadId: string): Promise<number | undefined> {
  const upload = { Bucket: bucket.name, Key: bucket.fullKey(key), UploadId, MaxParts: 1 };
  const answer = await bucket.run<{ Parts?: unknown[] | undefined } | undefined>(
    bucket.call('list the parts of an upload to', key, 's3:ListMultipartUploadParts'),
    (http) => bucket.client.send(new ListPartsCommand(upload), http),
    { rescue: goneIsFine },
  );
  return answer === undefined ? undefined : (answer.Parts?.length ?? 0);
}

/** For requests about an upload that may be gone already. */
function goneIsFine({ failure, error }: Refusal): undefined {
  if (failure.code !== 'NoSuchUpload') throw error;
}
