import { describe, expect, it } from '@jest/globals';
import { createHash, createHmac } from 'node:crypto';
import { eksAccessSchema } from '../../../lambdas/domain/eks-access.ts';
import { PermissionError } from '../../../lambdas/domain/errors.ts';
import { eksTokens, type AwsCredentials } from '../../../lambdas/kube/eks-token.ts';
import { parseKubeconfig } from '../../../lambdas/kube/kubeconfig.ts';
import { managementClusterAccess, readAccess } from '../../../lambdas/kube/management-cluster-access.ts';
import { authenticationHeaders, credentialsEndAt } from '../../../lambdas/kube/cluster-access.ts';
import { createAuthority } from '../../testbed/certificates.ts';

const CLUSTER = { cluster: 'prod-eu', region: 'eu-central-1' };
const START = Date.parse('2026-01-02T03:04:05Z');
const MINUTE_MILLISECONDS = 60_000;
const CREDENTIALS: AwsCredentials = {
  accessKeyId: 'AKIDEXAMPLE',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY',
  // With every character that has to be escaped.
  sessionToken: "IQoJb3JpZ2luX2Vj/+==(planted)*'!",
};

/** Tokens at a time that the test moves. */
function tokensAt(credentials: AwsCredentials = CREDENTIALS, cluster = CLUSTER) {
  const time = { milliseconds: START, signed: 0 };
  const next = eksTokens(cluster, {
    credentials: () => {
      time.signed += 1;
      return Promise.resolve(credentials);
    },
    clock: () => new Date(time.milliseconds),
  });
  return { time, next: async () => (await next()).reveal() };
}

function urlOf(token: string): URL {
  expect(token).toMatch(/^k8s-aws-v1\.[A-Za-z0-9_-]+$/);
  return new URL(Buffer.from(token.slice('k8s-aws-v1.'.length), 'base64url').toString());
}

/**
 * The signature as "AWS Signature Version 4 for API requests: authenticating requests with query parameters" has it computed,
 * from the URL as STS gets it.
 */
function expectedSignature(url: URL, headers: Readonly<Record<string, string>>, secretAccessKey: string): string {
  const pairs = url.search.slice(1).split('&');
  const canonicalQuery = pairs
    .filter((pair) => !pair.startsWith('X-Amz-Signature='))
    .sort()
    .join('&');
  const names = Object.keys(headers).sort();
  const canonicalRequest = [
    'GET',
    url.pathname,
    canonicalQuery,
    ...names.map((name) => `${name}:${headers[name] ?? ''}`),
    '',
    names.join(';'),
    createHash('sha256').update('').digest('hex'),
  ].join('\n');
  const date = url.searchParams.get('X-Amz-Date') ?? '';
  const [, ...scope] = (url.searchParams.get('X-Amz-Credential') ?? '').split('/');
  const stringToSign = [
    'AWS4-HMAC-SHA256',
    date,
    scope.join('/'),
    createHash('sha256').update(canonicalRequest).digest('hex'),
  ].join('\n');
  const key = scope.reduce<string | Buffer>(
    (previous, part) => createHmac('sha256', previous).update(part).digest(),
    `AWS4${secretAccessKey}`,
  );
  return createHmac('sha256', key).update(stringToSign).digest('hex');
}

describe('a token for EKS', () => {
  it('is a request to the regional STS that says who signs, for one minute', async () => {
    const url = urlOf(await tokensAt().next());
    expect(`${url.origin}${url.pathname}`).toBe('https://sts.eu-central-1.amazonaws.com/');
    expect(Object.fromEntries(url.searchParams)).toEqual({
      Action: 'GetCallerIdentity',
      Version: '2011-06-15',
      'X-Amz-Algorithm': 'AWS4-HMAC-SHA256',
      'X-Amz-Credential': 'AKIDEXAMPLE/20260102/eu-central-1/sts/aws4_request',
      'X-Amz-Date': '20260102T030405Z',
      'X-Amz-Expires': '60',
      'X-Amz-Security-Token': CREDENTIALS.sessionToken,
      'X-Amz-SignedHeaders': 'host;x-k8s-aws-id',
      'X-Amz-Signature': expect.stringMatching(/^[0-9a-f]{64}$/) as unknown,
    });
  });

  it.each<[string, AwsCredentials]>([
    ['of a role', CREDENTIALS],
    ['of a user', { accessKeyId: CREDENTIALS.accessKeyId, secretAccessKey: CREDENTIALS.secretAccessKey }],
  ])('is signed with the credentials %s, for this cluster and no other', async (_, credentials) => {
    const url = urlOf(await tokensAt(credentials).next());
    const headers = { host: url.host, 'x-k8s-aws-id': CLUSTER.cluster };
    const signature = url.searchParams.get('X-Amz-Signature');
    expect(signature).toBe(expectedSignature(url, headers, CREDENTIALS.secretAccessKey));
    const other = { ...headers, 'x-k8s-aws-id': 'another' };
    expect(signature).not.toBe(expectedSignature(url, other, CREDENTIALS.secretAccessKey));
    expect(url.searchParams.has('X-Amz-Security-Token')).toBe(credentials.sessionToken !== undefined);
  });

  it.each([
    ['cn-north-1', 'sts.cn-north-1.amazonaws.com.cn'],
    ['us-gov-west-1', 'sts.us-gov-west-1.amazonaws.com'],
    ['us-iso-east-1', 'sts.us-iso-east-1.c2s.ic.gov'],
    ['us-isob-east-1', 'sts.us-isob-east-1.sc2s.sgov.gov'],
    ['eusc-de-east-1', 'sts.eusc-de-east-1.amazonaws.eu'],
  ])('of region %s goes to %s', async (region, host) => {
    expect(urlOf(await tokensAt(CREDENTIALS, { ...CLUSTER, region }).next()).host).toBe(host);
  });

  it('is given out for ten minutes and then signed anew', async () => {
    const { time, next } = tokensAt();
    const first = await next();
    time.milliseconds += 10 * MINUTE_MILLISECONDS - 1;
    expect(await next()).toBe(first);
    expect(time.signed).toBe(1);
    time.milliseconds += 1;
    expect(await next()).not.toBe(first);
    expect(time.signed).toBe(2);
  });

  it('is not given out up to the end of the credentials that signed it', async () => {
    const { time, next } = tokensAt({ ...CREDENTIALS, expiration: new Date(START + 5 * MINUTE_MILLISECONDS) });
    const first = await next();
    time.milliseconds += 4 * MINUTE_MILLISECONDS - 1;
    expect(await next()).toBe(first);
    time.milliseconds += 1;
    expect(await next()).not.toBe(first);
  });

  it('cannot be made without AWS credentials, and the error repeats nothing of theirs', async () => {
    const credentials = () => Promise.reject(new Error('planted text of the SDK'));
    const failure = await eksTokens(CLUSTER, { credentials })().catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(PermissionError);
    expect((failure as PermissionError).message).toBe(
      'there are no AWS credentials to sign a token for EKS cluster prod-eu with',
    );
  });
});

describe('an EKS cluster in the configuration', () => {
  const entry = {
    ...CLUSTER,
    endpoint: 'https://0123456789ABCDEF.gr7.eu-central-1.eks.amazonaws.com',
    certificateAuthority: Buffer.from(createAuthority('kubernetes').certificate).toString('base64'),
  };
  const refuse = () => Promise.reject(new Error('nothing is to be read'));
  const accessTo = (eks: typeof entry) =>
    readAccess({ read: (name) => managementClusterAccess(name, { eks }, 'backup', refuse) }, 'prod');

  it('is reached at its endpoint, with its CA, and a token of its own', async () => {
    const access = await accessTo({ ...entry, endpoint: `${entry.endpoint}/` });
    expect(access).toMatchObject({
      server: entry.endpoint,
      ca: expect.stringContaining('BEGIN CERTIFICATE') as unknown,
      source: 'EKS cluster prod-eu',
      credentials: { kind: 'eks', cluster: 'prod-eu' },
    });
    // Renewed as long as we live: no alarm may speak of its end.
    expect(credentialsEndAt(access)).toBeNull();
    const token = eksTokens(CLUSTER, { credentials: () => Promise.resolve(CREDENTIALS) });
    const headers = await authenticationHeaders({ ...access, credentials: { kind: 'eks', cluster: 'prod-eu', token } });
    expect(headers).toEqual({ authorization: `Bearer ${(await token()).reveal()}` });
  });

  it('is what a kubeconfig that runs `aws eks get-token` is to be replaced with', () => {
    const exec = { apiVersion: 'client.authentication.k8s.io/v1', command: 'aws', args: ['eks', 'get-token'] };
    const kubeconfig = JSON.stringify({
      clusters: [{ name: 'c', cluster: { server: entry.endpoint } }],
      users: [{ name: 'u', user: { exec } }],
      contexts: [{ name: 'a', context: { cluster: 'c', user: 'u' } }],
    });
    const remedy = expect.stringContaining('"eks: { cluster: <name>, region: <region>, endpoint:') as unknown;
    expect(() => parseKubeconfig(kubeconfig, 'prod')).toThrow(expect.objectContaining({ remedy }));
  });

  it('is refused when its certificate authority is none', async () => {
    const failure = accessTo({ ...entry, certificateAuthority: 'bm8gY2VydGlmaWNhdGU=' });
    await expect(failure).rejects.toThrow('managementClusters.prod.eks.certificateAuthority holds no certificate');
  });

  it('is refused at its place when that is the access of restores', async () => {
    const unfit = { eks: { ...entry, certificateAuthority: 'bm8gY2VydGlmaWNhdGU=' } };
    const failure = managementClusterAccess('prod', { eks: entry, restore: unfit }, 'restore', refuse);
    await expect(failure).rejects.toThrow('managementClusters.prod.restore.eks.certificateAuthority holds');
  });

  it.each([
    ['cluster', 'a/b'],
    ['region', 'Frankfurt'],
    ['region', 'evil.example/eu-west-1'],
    ['endpoint', 'http://plain.example'],
    ['endpoint', 'not an address'],
    ['certificateAuthority', '-----BEGIN CERTIFICATE-----'],
    ['certificateAuthority', ''],
    ['unknown', 'x'],
  ])('is refused with %s %j', (field, value) => {
    expect(eksAccessSchema.safeParse(entry).success).toBe(true);
    expect(eksAccessSchema.safeParse({ ...entry, [field]: value }).success).toBe(false);
  });
});
