import type { SecureContextOptions } from 'node:tls';
import * as z from 'zod';
import { KubeconfigError } from '../domain/errors.ts';
import type { Secret } from '../domain/secret.ts';
import { validityProblem, type CertificateValidity } from './certificates.ts';

/** RFC 7519, section 4.1.4: seconds since 1970. */
const jwtSchema = z.object({ exp: z.number() });

/** How we say who we are: exactly one way, so that an error can name it. */
export type ClusterCredentials =
  | {
      readonly kind: 'certificate';
      readonly certificate: string;
      readonly key: Secret;
      readonly validity: CertificateValidity;
    }
  | { readonly kind: 'token'; readonly token: Secret }
  | {
      readonly kind: 'eks';
      /** Its name in AWS. */
      readonly cluster: string;
      /** A token that is good for some minutes more. PermissionError without AWS credentials. */
      token(): Promise<Secret>;
    };

/** Everything needed to talk to one management cluster, checked. PEM texts. */
export interface ClusterAccess {
  /** `https://host[:port][/path]` without a trailing slash. */
  readonly server: string;
  readonly ca: string;
  /** The name to ask the API server's certificate for, when it is not the server's host (`tls-server-name`). */
  readonly serverName: string | undefined;
  readonly credentials: ClusterCredentials;
  /** Where the kubeconfig was read, for messages. */
  readonly source: string;
  /** The line that gives its account the rights that it needs, and a new token; where it is known what for it is used. */
  readonly enrolment?: string;
}

/** Options for `tls.connect` and everything built on it. */
export interface ClusterTlsOptions extends SecureContextOptions {
  readonly rejectUnauthorized: true;
  readonly servername?: string;
}

/** TLS options for the API server: its CA and no other, and our client certificate when we have one. */
export function tlsOptionsFor({ ca, serverName, credentials }: ClusterAccess): ClusterTlsOptions {
  return {
    ca,
    rejectUnauthorized: true,
    ...(serverName === undefined ? {} : { servername: serverName }),
    ...(credentials.kind === 'certificate' ? { cert: credentials.certificate, key: credentials.key.reveal() } : {}),
  };
}

/** Headers that authenticate a request: none for a client certificate. Errors as the credentials' own. */
export async function authenticationHeaders({ credentials }: ClusterAccess): Promise<Record<string, string>> {
  if (credentials.kind === 'certificate') return {};
  const token = credentials.kind === 'token' ? credentials.token : await credentials.token();
  return { authorization: `Bearer ${token.reveal()}` };
}

/** KubeconfigError with the date when the client certificate is expired or not valid yet; called at every use. */
export function assertUsableAt({ credentials, source }: ClusterAccess, now: Date): void {
  if (credentials.kind !== 'certificate') return;
  const problem = validityProblem(credentials.validity, now);
  if (problem !== undefined) {
    throw new KubeconfigError(`the client certificate in ${source} ${problem}`, {
      remedy: 'Issue a new client certificate for this user and replace client-certificate-data and client-key-data.',
    });
  }
}

/** When the credentials end; null when they do not say, or are renewed by themselves. */
export function credentialsEndAt({ credentials }: ClusterAccess): Date | null {
  if (credentials.kind === 'certificate') return credentials.validity.notAfter;
  if (credentials.kind === 'eks') return null;
  const [, payload = ''] = credentials.token.reveal().split('.');
  try {
    const { exp } = jwtSchema.parse(JSON.parse(Buffer.from(payload, 'base64url').toString('utf8')));
    return new Date(exp * 1000);
  } catch {
    return null; // no JWT, or one without an end
  }
}
