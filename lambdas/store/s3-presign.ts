import { GetObjectCommand } from '@aws-sdk/client-s3';
import { Sha256 } from '@smithy/core/checksum';
import { buildQueryString, HttpRequest } from '@smithy/core/protocols';
import { SignatureV4 } from '@smithy/signature-v4';
import { Secret } from '../domain/secret.ts';
import type { PresignedUrl } from './object-store.ts';
import type { S3Bucket } from './s3-bucket.ts';

/** Signs a URL to download an object with. Nothing is sent to S3; the SDK's credentials may have to be fetched. */
export async function presignDownload(bucket: S3Bucket, key: string, seconds: number): Promise<PresignedUrl> {
  const { config } = bucket.client;
  return await bucket.run(bucket.call('sign a URL for', key, 's3:GetObject'), async (http) => {
    const [credentials, region] = await Promise.all([config.credentials(), config.region()]);
    const { protocol, hostname, port, path } = await requestFor(bucket, key, http);
    const signer = new SignatureV4({ service: 's3', region, credentials, sha256: Sha256, uriEscapePath: false });
    const signedAt = new Date();
    const host = port === undefined ? hostname : `${hostname}:${port}`;
    const { query = {} } = await signer.presign(
      // The hash of the body is part of what is signed, and S3 knows none for a URL.
      new HttpRequest({ protocol, hostname, path, headers: { host, 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' } }),
      { signingDate: signedAt, expiresIn: seconds },
    );
    const signedUntil = signedAt.getTime() + seconds * 1000;
    return {
      url: new Secret(`${protocol}//${host}${path}?${buildQueryString(query)}`),
      expiresAt: new Date(Math.min(signedUntil, credentials.expiration?.getTime() ?? Infinity)),
      temporaryCredentials: credentials.sessionToken !== undefined,
    };
  });
}

/** The request as the SDK would send it, which knows the endpoints and the ways of addressing a bucket. */
async function requestFor(bucket: S3Bucket, key: string, http: object): Promise<HttpRequest> {
  const command = new GetObjectCommand({ Bucket: bucket.name, Key: bucket.fullKey(key) });
  const { promise, resolve } = Promise.withResolvers<HttpRequest>();
  command.middlewareStack.add(
    () =>
      ({ request }) => {
        if (HttpRequest.isInstance(request)) resolve(request);
        return Promise.resolve({ response: undefined, output: { $metadata: {} } });
      },
    { step: 'build', name: 'keepRequest', priority: 'low' },
  );
  await bucket.client.send(command, http);
  return await promise;
}
