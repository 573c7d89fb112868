import { ConfigurationError, PermissionError, type LifeboatError } from '../domain/errors.ts';
import { formatFailure, TIMED_OUT, type AwsFailure } from './aws-failure.ts';

/** A class of ours that can be raised for a failed request. */
export type ErrorClass = new (message: string, options: { remedy: string; cause: unknown }) => LifeboatError;

/** Why a request failed, as the end of a sentence; the class of the error; and what to do. */
export type Explanation = readonly [why: string, create: ErrorClass, remedy: string];

/** One request in words, so that its failure can be told. */
export interface AwsCall {
  /** Reads on from "could not": `write`, `list`. */
  readonly verb: string;
  /** Reads on from the verb: `s3://bucket/key`, `state machine back-up-fleet`. */
  readonly object: string;
  /** The IAM action that it needs. */
  readonly permission: string;
}

/** What one service needs said differently from another. */
export interface ServiceWords {
  /** Raised while the service cannot be reached or is in trouble. */
  readonly unavailable: ErrorClass;
  /** What to do when it can't be reached. */
  readonly endpointRemedy: string;
  readonly unknownNameRemedy: string;
  readonly schemeRemedy: string;
  readonly certificateRemedy: string;
  readonly regionRemedy: string;
  /** What to do when it is in trouble itself. */
  readonly laterRemedy: string;
}

const CREDENTIALS =
  'Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (and AWS_SESSION_TOKEN), or AWS_PROFILE, or run with a role; "aws sts get-caller-identity" tells what is in force.';
const CLOCK = 'Set the clock of this machine right; AWS takes signatures of at most 15 minutes ago.';

/** What means the same in the answers of all services, and what hinders a request from being answered at all. */
export function commonExplanations(words: ServiceWords): Readonly<Record<string, Explanation>> {
  const refused = (why: string): Explanation => [why, PermissionError, CREDENTIALS];
  const unknownKey = refused('the access key is unknown');
  const wrongSecret = refused('the secret access key does not belong to the access key');
  const expired = refused('the credentials have expired');
  const throttling: Explanation = ['it is throttling', words.unavailable, words.laterRemedy];
  const unreachable = (why: string): Explanation => [why, words.unavailable, words.endpointRemedy];
  const noWay = unreachable('there is no way to the endpoint');
  const cut = unreachable('the connection was cut');
  const silent = unreachable('it did not answer in time');
  const badCertificate = (why: string): Explanation => [why, ConfigurationError, words.certificateRemedy];
  const unknownAuthority = badCertificate('its certificate is not signed by a CA that is known here');
  return {
    CredentialsProviderError: ['no usable AWS credentials were found', ConfigurationError, CREDENTIALS],
    InvalidAccessKeyId: unknownKey,
    InvalidClientTokenId: unknownKey,
    UnrecognizedClientException: refused('the access key or the session token is unknown'),
    SignatureDoesNotMatch: wrongSecret,
    InvalidSignatureException: wrongSecret,
    InvalidToken: refused('the session token is not valid'),
    ExpiredToken: expired,
    ExpiredTokenException: expired,
    TokenRefreshRequired: expired,
    RequestTimeTooSkewed: ['the clock of this machine is wrong', ConfigurationError, CLOCK],
    RequestExpired: ['the clock of this machine is wrong', ConfigurationError, CLOCK],
    MissingRegion: ['no region is set', ConfigurationError, words.regionRemedy],
    SlowDown: throttling,
    Throttling: throttling,
    ThrottlingException: throttling,
    KmsThrottlingException: throttling,
    TooManyRequestsException: throttling,
    ENOTFOUND: ['the name of the endpoint is unknown', ConfigurationError, words.unknownNameRemedy],
    EAI_AGAIN: unreachable('the name of the endpoint could not be looked up'),
    ECONNREFUSED: unreachable('the connection was refused'),
    EHOSTUNREACH: noWay,
    ENETUNREACH: noWay,
    ECONNRESET: cut,
    EPIPE: cut,
    TimeoutError: silent,
    [TIMED_OUT]: silent,
    EPROTO: ['it does not speak TLS', ConfigurationError, words.schemeRemedy],
    CERT_HAS_EXPIRED: badCertificate('its certificate has expired'),
    ERR_TLS_CERT_ALTNAME_INVALID: badCertificate('its certificate is for another name'),
    SELF_SIGNED_CERT_IN_CHAIN: unknownAuthority,
    DEPTH_ZERO_SELF_SIGNED_CERT: unknownAuthority,
    UNABLE_TO_VERIFY_LEAF_SIGNATURE: unknownAuthority,
    UNABLE_TO_GET_ISSUER_CERT_LOCALLY: unknownAuthority,
  };
}

/** Our error for a request that failed for good; it holds codes and request ids, and nothing else of the answer. */
export function explainedError(
  failure: AwsFailure,
  { verb, object }: AwsCall,
  [why, Create, remedy]: Explanation,
): LifeboatError {
  const evidence = formatFailure(failure);
  return new Create(`could not ${verb} ${object}: ${why} (${evidence})`, { remedy, cause: new Error(evidence) });
}
