import type { SecureContextOptions } from 'node:tls';
import { KubeconfigError } from '../domain/errors.ts';
import type { Secret } from '../domain/secret.ts';
import { validityProblem, type CertificateValidity } from './certificates.ts';

/** How we say who we are: exactly one way, so that an error can name it. */
export type ClusterCredentials =
  | {
      readonly kind: 'certificate';
      readonly certificate: string;
      readonly key: Secret;
      readonly validity: CertificateValidity;
    }
  | { readonly kind: 'token'; readonly token: Secret };

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

/** Headers that authenticate a request: none for a client certificate. */
export function authenticationHeaders({ credentials }: ClusterAccess): Record<string, string> {
  return credentials.kind === 'token' ? { authorization: `Bearer ${credentials.token.reveal()}` } : {};
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
