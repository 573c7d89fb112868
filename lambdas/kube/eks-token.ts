import { defaultProvider } from '@aws-sdk/credential-provider-node';
import { Sha256 } from '@smithy/core/checksum';
import { SignatureV4 } from '@smithy/signature-v4';
import type { EksAccess } from '../domain/eks-access.ts';
import { PermissionError } from '../domain/errors.ts';
import { Secret } from '../domain/secret.ts';

/**
 * A token is good for 15 minutes after its signing date, whatever X-Amz-Expires says
 * (aws-iam-authenticator pkg/token/token.go, presignedURLExpiration).
 */
const RENEW_AFTER_MILLISECONDS = 10 * 60_000;
/** Until when before the end of the signing credentials, with which the token ends as well, it is still given out. */
const MARGIN_MILLISECONDS = 60_000;
const EXPIRES_SECONDS = 60;
const PREFIX = 'k8s-aws-v1.';
const CLUSTER_HEADER = 'x-k8s-aws-id';

/** By the beginning of a region's name; botocore's partitions.json. */
const DNS_SUFFIXES: readonly (readonly [prefix: string, suffix: string])[] = [
  ['cn-', 'amazonaws.com.cn'],
  ['eusc-', 'amazonaws.eu'],
  ['us-iso-', 'c2s.ic.gov'],
  ['us-isob-', 'sc2s.sgov.gov'],
  ['eu-isoe-', 'cloud.adc-e.uk'],
  ['us-isof-', 'csp.hci.ic.gov'],
];

/** As the SDK's providers give them. */
export interface AwsCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
  readonly expiration?: Date;
}

export interface EksTokenOptions {
  /** The SDK's default chain when left out: in Lambda, the function's role. */
  readonly credentials?: () => Promise<AwsCredentials>;
  readonly clock?: () => Date;
}

/**
 * Gives tokens for an EKS cluster, each until shortly before it ends. A token is a signed request to STS that the cluster's
 * authenticator sends on to learn who signed it; signing asks nobody. PermissionError when there are no AWS credentials.
 */
export function eksTokens(
  { cluster, region }: Pick<EksAccess, 'cluster' | 'region'>,
  { credentials = defaultProvider(), clock = () => new Date() }: EksTokenOptions = {},
): () => Promise<Secret> {
  let current: { readonly token: Secret; readonly renewAt: number } | undefined;
  return async () => {
    const now = clock();
    if (current !== undefined && now.getTime() < current.renewAt) return current.token;
    const signer = await readCredentials(credentials, cluster);
    const endsAt = signer.expiration?.getTime() ?? Infinity;
    const token = await signToken(cluster, region, signer, now);
    current = { token, renewAt: Math.min(now.getTime() + RENEW_AFTER_MILLISECONDS, endsAt - MARGIN_MILLISECONDS) };
    return token;
  };
}

async function readCredentials(provider: () => Promise<AwsCredentials>, cluster: string): Promise<AwsCredentials> {
  try {
    return await provider();
  } catch (cause) {
    // The SDK's text may hold paths and parts of answers.
    throw new PermissionError(`there are no AWS credentials to sign a token for EKS cluster ${cluster} with`, {
      remedy: 'Give some where the AWS SDK looks for them: environment, profile, or the role that this runs with.',
      cause,
    });
  }
}

async function signToken(cluster: string, region: string, credentials: AwsCredentials, now: Date): Promise<Secret> {
  const hostname = `sts.${region}.${DNS_SUFFIXES.find(([prefix]) => region.startsWith(prefix))?.[1] ?? 'amazonaws.com'}`;
  const signer = new SignatureV4({ service: 'sts', region, credentials, sha256: Sha256 });
  const { query = {} } = await signer.presign(
    {
      method: 'GET',
      protocol: 'https:',
      hostname,
      path: '/',
      query: { Action: 'GetCallerIdentity', Version: '2011-06-15' },
      headers: { host: hostname, [CLUSTER_HEADER]: cluster },
    },
    { signingDate: now, expiresIn: EXPIRES_SECONDS },
  );
  const pairs = Object.entries(query).map(([key, value]) => `${encode(key)}=${encode(String(value))}`);
  return new Secret(`${PREFIX}${Buffer.from(`https://${hostname}/?${pairs.join('&')}`).toString('base64url')}`);
}

/** As the signature takes it (RFC 3986), which is stricter than `encodeURIComponent`. */
function encode(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}
