import { createServer, type Server } from 'node:http';
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ListMultipartUploadsCommand } from '@aws-sdk/client-s3';
import {
  ConfigurationError,
  LifeboatError,
  PermissionError,
  StoreUnavailableError,
} from '../../../lambdas/domain/errors.ts';
import type { S3Options } from '../../../lambdas/store/s3-bucket.ts';
import { S3Store } from '../../../lambdas/store/s3-store.ts';
import { partSizeBytes } from '../../../lambdas/store/s3-upload.ts';
import { startHttpFaultProxy } from '../../testbed/http-fault-proxy.ts';
import { listAll, patternedBytes, uploadAll } from './bytes.ts';
import { NO_OTHER_CREDENTIALS, withEnvironment } from '../environment.ts';
import { openS3, storeAt, type S3Access } from './s3-access.ts';

const MEBIBYTE = 1024 * 1024;
const PART_BYTES = partSizeBytes();

let s3: S3Access;
beforeAll(async () => {
  s3 = await openS3();
  await s3.server.createBucket('plain');
}, 600_000);
afterAll(() => s3.close());

describe('S3 store that is configured wrongly', () => {
  let notS3: Server;
  beforeAll(async () => {
    notS3 = createServer((_request, answer) => answer.end('<html>Welcome</html>')).listen(0, '127.0.0.1');
    await once(notS3, 'listening');
  });
  afterAll(() => {
    notS3.close();
  });

  const portOf = (server: Server): number => {
    const address = server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  };
  const failFast = { attempts: 2, firstWaitMilliseconds: 1 };

  /** The error of a read, and the same for every other method. */
  async function errorOf(bucket: string, options: S3Options): Promise<LifeboatError> {
    const store = new S3Store(bucket, '', { forcePathStyle: true, limits: failFast, ...options });
    const calls = [
      () => store.read('a'),
      () => store.head('a'),
      () => store.put('a', Buffer.from('1')),
      () => listAll(store, ''),
    ];
    const errors = await Promise.all(
      calls.map((call) =>
        call().then(
          () => undefined,
          (error: unknown) => error,
        ),
      ),
    );
    for (const error of errors) expect(error).toBeInstanceOf(LifeboatError);
    return errors[0] as LifeboatError;
  }

  it.each<[string, string, () => S3Options, typeof ConfigurationError | typeof StoreUnavailableError, RegExp, RegExp]>([
    [
      'no such bucket',
      'missing',
      () => ({ endpoint: s3.server.endpoint, region: 'us-east-1' }),
      ConfigurationError,
      /bucket does not exist/,
      /lifeboat\.yaml/,
    ],
    [
      'another region',
      'plain',
      () => ({ endpoint: s3.server.endpoint, region: 'eu-west-1' }),
      ConfigurationError,
      /another region/,
      /s3\.region/,
    ],
    ['no region', 'plain', () => ({ endpoint: s3.server.endpoint }), ConfigurationError, /no region/, /AWS_REGION/],
    [
      'nobody there',
      'plain',
      () => ({ endpoint: 'http://127.0.0.1:1', region: 'us-east-1' }),
      StoreUnavailableError,
      /connection was refused/,
      /s3\.endpoint/,
    ],
    [
      'an unknown name',
      'plain',
      () => ({ endpoint: 'http://lifeboat.invalid', region: 'us-east-1' }),
      ConfigurationError,
      /name of the endpoint is unknown/,
      /forcePathStyle/,
    ],
    [
      'no TLS',
      'plain',
      () => ({ endpoint: s3.server.endpoint.replace('http:', 'https:'), region: 'us-east-1' }),
      ConfigurationError,
      /does not speak TLS/,
      /https?:/,
    ],
  ])('says so: %s', async (_name, bucket, options, errorClass, message, remedy) => {
    const error = await errorOf(bucket, options());
    expect(error).toBeInstanceOf(errorClass);
    expect(error.message).toMatch(message);
    expect(error.message).toContain(`s3://${bucket}`);
    expect(error.remedy).toMatch(remedy);
  });

  it('says so: not an S3', async () => {
    const store = new S3Store('plain', '', {
      endpoint: `http://127.0.0.1:${portOf(notS3)}`,
      region: 'us-east-1',
      forcePathStyle: true,
    });
    const calls = [
      () => listAll(store, ''),
      () => store.head('a'),
      () => store.read('a'),
      () => store.put('a', Buffer.from('1'), { ifAbsent: true }),
      () => uploadAll(store, 'a', patternedBytes(PART_BYTES)),
    ];
    for (const call of calls) await expect(call()).rejects.toThrow(ConfigurationError);
  });

  it('says so: no credentials', async () => {
    await withEnvironment(
      { AWS_ACCESS_KEY_ID: undefined, AWS_SECRET_ACCESS_KEY: undefined, ...NO_OTHER_CREDENTIALS },
      async () => {
        const error = await errorOf('plain', { endpoint: s3.server.endpoint, region: 'us-east-1' });
        expect(error.message).toMatch(/no usable AWS credentials were found/);
        expect(error.remedy).toMatch(/AWS_ACCESS_KEY_ID.*AWS_PROFILE/);
      },
    );
  });

  it('says so: a wrong secret access key, without repeating what was signed', async () => {
    await withEnvironment({ AWS_SECRET_ACCESS_KEY: 'planted-secret-value' }, async () => {
      const error = await errorOf('plain', { endpoint: s3.server.endpoint, region: 'us-east-1' });
      expect(error).toBeInstanceOf(PermissionError);
      expect(error.message).toMatch(
        /secret access key does not belong to the access key \(SignatureDoesNotMatch, HTTP 403/,
      );
      const told = [error.message, error.remedy, String(error.cause), JSON.stringify(error)].join(' ');
      expect(told).not.toMatch(/planted-secret-value|AWS4-HMAC|Credential=/);
      expect(told).not.toContain(s3.server.accessKeyId);
    });
  });
});

describe('S3 upload', () => {
  it('plans parts for the expected size, with room for more', () => {
    expect(partSizeBytes()).toBe(8 * MEBIBYTE);
    expect(partSizeBytes(70_000 * MEBIBYTE)).toBe(8 * MEBIBYTE);
    const large = 1024 * 1024 * MEBIBYTE;
    expect(partSizeBytes(large) % MEBIBYTE).toBe(0);
    expect(large / partSizeBytes(large)).toBeLessThanOrEqual(9000);
  });

  it('keeps no more than four parts in memory when S3 is slow', async () => {
    const proxy = await startHttpFaultProxy(s3.server.endpoint);
    try {
      proxy.inject({
        when: ({ method, query }) => method === 'PUT' && query.has('partNumber'),
        fault: { kind: 'slow', bytesPerSecond: 64 * MEBIBYTE },
      });
      const store = storeAt(proxy.endpoint, 'plain');
      const upload = await store.beginUpload('flat', { expectedSizeBytes: 200 * MEBIBYTE });
      const chunk = patternedBytes(MEBIBYTE);
      let largest = 0;
      for (let written = MEBIBYTE; written <= 200 * MEBIBYTE; written += MEBIBYTE) {
        await upload.write(chunk);
        const received = proxy.requests.reduce((sum, { receivedBytes }) => sum + receivedBytes, 0);
        largest = Math.max(largest, written - received);
      }
      await upload.complete();
      expect(largest).toBeGreaterThan(PART_BYTES);
      expect(largest).toBeLessThanOrEqual(4 * PART_BYTES);
      expect(await store.head('flat')).toMatchObject({ sizeBytes: 200 * MEBIBYTE });
      const { Uploads = [] } = await s3.client.send(new ListMultipartUploadsCommand({ Bucket: 'plain' }));
      expect(Uploads).toEqual([]);
    } finally {
      await proxy.stop();
    }
  });
});
