/** Usage: upload <endpoint> <region> <bucket> <key> <file>. What `aws s3 cp` does: parts of 8 MiB, up to ten at a time. */
import { open } from 'node:fs/promises';
import {
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  S3Client,
  UploadPartCommand,
  type CompletedPart,
} from '@aws-sdk/client-s3';
import pLimit from 'p-limit';

const PART_BYTES = 8 * 1024 * 1024;
const PARTS_AT_A_TIME = 10;

const [endpoint = '', region = '', Bucket = '', Key = '', path = ''] = process.argv.slice(2);
const client = new S3Client({ endpoint, region, forcePathStyle: true });
const file = await open(path);
try {
  const { size } = await file.stat();
  const { UploadId } = await client.send(new CreateMultipartUploadCommand({ Bucket, Key }));
  const limit = pLimit(PARTS_AT_A_TIME);
  const sendPart = async (index: number): Promise<CompletedPart> => {
    const Body = Buffer.allocUnsafe(Math.min(PART_BYTES, size - index * PART_BYTES));
    await file.read(Body, 0, Body.length, index * PART_BYTES);
    const part = { PartNumber: index + 1 };
    const { ETag } = await client.send(new UploadPartCommand({ Bucket, Key, UploadId, ...part, Body }));
    return { ...part, ETag };
  };
  const indices = Array.from({ length: Math.ceil(size / PART_BYTES) }, (_, index) => index);
  const Parts = await limit.map(indices, sendPart);
  await client.send(new CompleteMultipartUploadCommand({ Bucket, Key, UploadId, MultipartUpload: { Parts } }));
} finally {
  await file.close();
  client.destroy();
}
