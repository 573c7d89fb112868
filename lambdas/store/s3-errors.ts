import {
  ConfigurationError,
  ConflictError,
  NotFoundError,
  PermissionError,
  StoreUnavailableError,
  type LifeboatError,
} from '../domain/errors.ts';
import { formatFailure, TIMED_OUT, type S3Failure } from './s3-failure.ts';

/** One request in words, so that its failure can be told. */
export interface S3Call {
  /** Reads on from "could not": `write`, `list`. */
  readonly verb: string;
  /** `s3://bucket/key`. */
  readonly object: string;
  /** The IAM action that it needs. */
  readonly permission: string;
  /** It carries If-None-Match or If-Match. */
  readonly conditional?: boolean;
  /** It asks for a retention lock. */
  readonly retaining?: boolean;
}

/** The end of a sentence, the class, and what to do. */
type Explanation = readonly [
  why: string,
  create: new (message: string, options: { remedy: string; cause: unknown }) => LifeboatError,
  remedy: string,
];

const CREDENTIALS =
  'Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (and AWS_SESSION_TOKEN), or AWS_PROFILE, or run with a role; "aws sts get-caller-identity" tells what is in force.';
const ENDPOINT = 'Check "s3.endpoint" in lifeboat.yaml and that it can be reached from here.';
const NOT_S3 = `${ENDPOINT} It must be an S3 service with multipart uploads and conditional writes.`;
const CERTIFICATE = 'Correct "s3.endpoint", or name the file with its CA in NODE_EXTRA_CA_CERTS.';
const LATER = 'Try again later; if it lasts, look at the health of the object store.';
const CLOCK = 'Set the clock of this machine right; S3 takes signatures of at most 15 minutes ago.';

const refusedKey = (why: string): Explanation => [why, PermissionError, CREDENTIALS];
const badCertificate = (why: string): Explanation => [why, ConfigurationError, CERTIFICATE];
const unreachable = (why: string): Explanation => [why, StoreUnavailableError, ENDPOINT];
const wrongRegion: Explanation = [
  'the bucket is in another region',
  ConfigurationError,
  'Set "s3.region" in lifeboat.yaml to the region of the bucket.',
];
const full: Explanation = [
  'its quota is used up',
  StoreUnavailableError,
  'Free space in the object store or raise its quota.',
];
const objectAndFolder: Explanation = [
  'a part of its path is an object and a folder at once',
  ConflictError,
  'Look at what lies at that key; Lifeboat never writes such keys.',
];

const EXPLANATIONS: Readonly<Record<string, Explanation>> = {
  CredentialsProviderError: ['no usable AWS credentials were found', ConfigurationError, CREDENTIALS],
  InvalidAccessKeyId: refusedKey('the access key is unknown'),
  // What versitygw says instead, with 404.
  XAdminUserNotFound: refusedKey('the access key is unknown'),
  SignatureDoesNotMatch: refusedKey('the secret access key does not belong to the access key'),
  InvalidToken: refusedKey('the session token is not valid'),
  ExpiredToken: refusedKey('the credentials have expired'),
  ExpiredTokenException: refusedKey('the credentials have expired'),
  TokenRefreshRequired: refusedKey('the credentials have expired'),
  RequestTimeTooSkewed: ['the clock of this machine is wrong', ConfigurationError, CLOCK],
  MissingRegion: ['no region is set', ConfigurationError, 'Set "s3.region" in lifeboat.yaml, or AWS_REGION.'],
  NoSuchBucket: [
    'the bucket does not exist',
    ConfigurationError,
    'Create the bucket, or correct "store" in lifeboat.yaml.',
  ],
  InvalidBucketName: ['that is no name of a bucket', ConfigurationError, 'Correct "store" in lifeboat.yaml.'],
  PermanentRedirect: wrongRegion,
  AuthorizationHeaderMalformed: wrongRegion,
  ENOTFOUND: [
    'the name of the endpoint is unknown',
    ConfigurationError,
    `${ENDPOINT} An object store other than AWS usually needs "s3.forcePathStyle: true".`,
  ],
  EAI_AGAIN: unreachable('the name of the endpoint could not be looked up'),
  ECONNREFUSED: unreachable('the connection was refused'),
  EHOSTUNREACH: unreachable('there is no way to the endpoint'),
  ENETUNREACH: unreachable('there is no way to the endpoint'),
  ECONNRESET: unreachable('the connection was cut'),
  EPIPE: unreachable('the connection was cut'),
  TimeoutError: unreachable('it did not answer in time'),
  [TIMED_OUT]: unreachable('it did not answer in time'),
  EPROTO: ['it does not speak TLS', ConfigurationError, 'Check whether "s3.endpoint" begins with http:// or https://.'],
  CERT_HAS_EXPIRED: badCertificate('its certificate has expired'),
  ERR_TLS_CERT_ALTNAME_INVALID: badCertificate('its certificate is for another name'),
  SELF_SIGNED_CERT_IN_CHAIN: badCertificate('its certificate is not signed by a CA that is known here'),
  DEPTH_ZERO_SELF_SIGNED_CERT: badCertificate('its certificate is not signed by a CA that is known here'),
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: badCertificate('its certificate is not signed by a CA that is known here'),
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: badCertificate('its certificate is not signed by a CA that is known here'),
  SlowDown: ['it is throttling', StoreUnavailableError, LATER],
  ConditionalRequestConflict: [
    'others kept writing it at the same time',
    ConflictError,
    'Read it again and decide anew.',
  ],
  OperationAborted: ['others kept writing it at the same time', ConflictError, 'Read it again and decide anew.'],
  NoSuchUpload: [
    'the unfinished upload is gone',
    StoreUnavailableError,
    'Somebody or a lifecycle rule aborted it; allow unfinished uploads at least a day, then try again.',
  ],
  BadDigest: ['the bytes did not arrive as they were sent', StoreUnavailableError, LATER],
  XAmzContentSHA256Mismatch: ['the bytes did not arrive as they were sent', StoreUnavailableError, LATER],
  InvalidObjectState: [
    'the object is archived',
    ConfigurationError,
    'Restore it from its archive storage class first.',
  ],
  QuotaExceeded: full,
  XMinioStorageFull: full,
  ObjectParentIsFile: objectAndFolder,
  ExistingObjectIsDirectory: objectAndFolder,
  KeyTooLongError: ['the key is too long', ConfigurationError, 'Use a shorter prefix in "store" of lifeboat.yaml.'],
};

/** Our error for a request that failed for good. */
export function s3Error(failure: S3Failure, call: S3Call): LifeboatError {
  const [why, Create, remedy] = explain(failure, call);
  const cause = new Error(formatFailure(failure));
  return new Create(`could not ${call.verb} ${call.object}: ${why} (${formatFailure(failure)})`, { remedy, cause });
}

/** The answer was a success and lacks what S3 always sends: something else listens there. */
export function notS3Error(location: string): LifeboatError {
  return new ConfigurationError(`what answers for ${location} is not S3`, { remedy: NOT_S3 });
}

function explain(failure: S3Failure, call: S3Call): Explanation {
  const { code, status } = failure;
  if (call.conditional === true && (status === 412 || code === 'NoSuchKey')) {
    return ['it exists already or is no longer what was read', ConflictError, 'Read it again and decide anew.'];
  }
  if (call.retaining === true && code === 'InvalidRequest') {
    const remedy = 'Use a bucket that was created with Object Lock, or leave the retention lock out.';
    return ['the bucket can hold no retention locks', ConfigurationError, remedy];
  }
  const known = EXPLANATIONS[code];
  if (known !== undefined) return known;
  if (status === 401 || status === 403) {
    return [
      code.startsWith('KMS') ? 'its KMS key could not be used' : 'access was denied',
      PermissionError,
      `Check that the credentials are right and that their policy, the bucket policy and the policy of its KMS key allow ${call.permission}.`,
    ];
  }
  if (status === 404)
    return ['it does not exist', NotFoundError, 'Check the name; "lifeboat list" shows what there is.'];
  if (status === 412) return ['it was overwritten in the meantime', ConflictError, 'Start again.'];
  if (failure.retryable) return ['the object store could not do it now', StoreUnavailableError, LATER];
  if (status === 301 || status === 307) return wrongRegion;
  return [
    status === undefined ? 'the request could not be made' : 'the answer is not one that S3 should give',
    ConfigurationError,
    NOT_S3,
  ];
}
