/** Who is to blame for a TLS connection that did not come about, and why, as the end of a sentence. */
export interface TlsFailure {
  /** `ca`: the CA we trust is not theirs; `server`: their certificate is bad otherwise; `client`: they refused ours. */
  readonly side: 'ca' | 'server' | 'client';
  readonly reason: string;
}

// Codes of OpenSSL's verification of the peer's certificate, as Node puts them in `error.code`.
const BAD_SERVER_CERTIFICATE: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: 'its server certificate has expired',
  CERT_NOT_YET_VALID: 'its server certificate is not valid yet; compare the clocks',
  ERR_TLS_CERT_ALTNAME_INVALID: 'its server certificate does not carry the name we asked for',
};
const WRONG_CA = new Set([
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'CERT_SIGNATURE_FAILURE',
  'CERT_UNTRUSTED',
  'INVALID_CA',
]);

// Alerts that a server sends about our certificate. With TLS 1.3 they arrive after the handshake has ended for us, with the
// first read.
const ALERTS: readonly (readonly [RegExp, string])[] = [
  [/ALERT_CERTIFICATE_EXPIRED$/, 'it refused our client certificate as expired'],
  [/ALERT_CERTIFICATE_REVOKED$/, 'it refused our client certificate as revoked'],
  [/ALERT_UNKNOWN_CA$/, 'it does not trust the CA that signed our client certificate'],
  [/ALERT_CERTIFICATE_REQUIRED$/, 'it requires a client certificate'],
  [
    /ALERT_(BAD_CERTIFICATE|CERTIFICATE_UNKNOWN|UNSUPPORTED_CERTIFICATE|ACCESS_DENIED)$/,
    'it refused our client certificate',
  ],
];

/** Reads Node's code of a failed connection; undefined when it was not TLS that failed. */
export function readTlsFailure(error: unknown): TlsFailure | undefined {
  const code = errorCode(error);
  if (WRONG_CA.has(code)) return { side: 'ca', reason: 'its server certificate was not signed by the given CA' };
  const reason = BAD_SERVER_CERTIFICATE[code];
  if (reason !== undefined) return { side: 'server', reason };
  const alert = ALERTS.find(([pattern]) => pattern.test(code));
  return alert === undefined ? undefined : { side: 'client', reason: alert[1] };
}

/** `error.code` of Node's errors, looking through `cause`; empty when there is none. */
function errorCode(error: unknown): string {
  if (typeof error !== 'object' || error === null) return '';
  if ('code' in error && typeof error.code === 'string') return error.code;
  return 'cause' in error ? errorCode(error.cause) : '';
}

/** How a connection failed below TLS, as the end of a sentence without any address or library text. */
export function describeConnectionFailure(error: unknown): string {
  const code = errorCode(error);
  return CONNECTION[code] ?? (code === '' ? 'the connection failed' : `the connection failed (${code})`);
}

const CONNECTION: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'the connection was refused',
  ECONNRESET: 'the connection was cut',
  EPIPE: 'the connection was cut',
  ENOTFOUND: 'its name is unknown',
  EAI_AGAIN: 'its name could not be looked up',
  EHOSTUNREACH: 'there is no way to it',
  ENETUNREACH: 'there is no way to it',
  ETIMEDOUT: 'the connection timed out',
};
