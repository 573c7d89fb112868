import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { S3Client } from '@aws-sdk/client-s3';
import type { S3Limits } from '../../../lambdas/store/s3-bucket.ts';
import { S3Store } from '../../../lambdas/store/s3-store.ts';
import { ensureBinaries } from '../../testbed/binaries.ts';
import { S3Server } from '../../testbed/s3.ts';

/** An S3 for one suite. */
export interface S3Access {
  readonly server: S3Server;
  /** For what a test prepares or looks at beside the code under test. */
  readonly client: S3Client;
  close(): Promise<void>;
}

/** Starts an S3, and lets the SDK's default chain find its credentials in the environment, as it does in production. */
export async function openS3(): Promise<S3Access> {
  const { versitygw } = await ensureBinaries((line) => process.stderr.write(`${line}\n`));
  const directory = await mkdtemp(join(tmpdir(), 'lifeboat-s3-'));
  const server = await S3Server.create(directory, versitygw);
  const { accessKeyId, secretAccessKey } = server;
  Object.assign(process.env, { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey });
  const client = server.createClient();
  return {
    server,
    client,
    close: async () => {
      client.destroy();
      await server.stop();
      await rm(directory, { recursive: true });
    },
  };
}

/** A store in a bucket at a loopback endpoint: the server's own, or a proxy's before it. */
export function storeAt(endpoint: string, bucket: string, limits: Partial<S3Limits> = {}): S3Store {
  return new S3Store(bucket, 'some/prefix', { endpoint, region: 'us-east-1', forcePathStyle: true, limits });
}
