import type { AwsFailure } from '../aws/aws-failure.ts';
import { commonExplanations, explainedError, type AwsCall, type Explanation } from '../aws/explanations.ts';
import {
  ConfigurationError,
  ConflictError,
  NotFoundError,
  PermissionError,
  StoreUnavailableError,
  type LifeboatError,
} from '../domain/errors.ts';

/** One request in words, its object written as `s3://bucket/key`. */
export interface S3Call extends AwsCall {
  /** It carries If-None-Match or If-Match. */
  readonly conditional?: boolean;
  /** It asks for a retention lock. */
  readonly retaining?: boolean;
}

const ENDPOINT = 'Check "s3.endpoint" in lifeboat.yaml and that it can be reached from here.';
const NOT_S3 = `${ENDPOINT} It must be an S3 service with multipart uploads and conditional writes.`;
const LATER = 'Try again later; if it lasts, look at the health of the object store.';

const COMMON = commonExplanations({
  unavailable: StoreUnavailableError,
  endpointRemedy: ENDPOINT,
  unknownNameRemedy: `${ENDPOINT} An object store other than AWS usually needs "s3.forcePathStyle: true".`,
  schemeRemedy: 'Check whether "s3.endpoint" begins with http:// or https://.',
  certificateRemedy: 'Correct "s3.endpoint", or name the file with its CA in NODE_EXTRA_CA_CERTS.',
  regionRemedy: 'Set "s3.region" in lifeboat.yaml, or AWS_REGION.',
  laterRemedy: LATER,
});

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
const contended: Explanation = [
  'others kept writing it at the same time',
  ConflictError,
  'Read it again and decide anew.',
];
const damaged: Explanation = ['the bytes did not arrive as they were sent', StoreUnavailableError, LATER];

const EXPLANATIONS: Readonly<Record<string, Explanation | undefined>> = {
  ...COMMON,
  // What versitygw says of an unknown access key, with 404.
  XAdminUserNotFound: COMMON['InvalidAccessKeyId'],
  NoSuchBucket: [
    'the bucket does not exist',
    ConfigurationError,
    'Create the bucket, or correct "store" in lifeboat.yaml.',
  ],
  InvalidBucketName: ['that is no name of a bucket', ConfigurationError, 'Correct "store" in lifeboat.yaml.'],
  PermanentRedirect: wrongRegion,
  AuthorizationHeaderMalformed: wrongRegion,
  ConditionalRequestConflict: contended,
  OperationAborted: contended,
  NoSuchUpload: [
    'the unfinished upload is gone',
    StoreUnavailableError,
    'Somebody or a lifecycle rule aborted it; allow unfinished uploads at least a day, then try again.',
  ],
  BadDigest: damaged,
  XAmzContentSHA256Mismatch: damaged,
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
export function s3Error(failure: AwsFailure, call: S3Call): LifeboatError {
  return explainedError(failure, call, explain(failure, call));
}

/** The answer was a success and lacks what S3 always sends: something else listens there. */
export function notS3Error(location: string): LifeboatError {
  return new ConfigurationError(`what answers for ${location} is not S3`, { remedy: NOT_S3 });
}

function explain(failure: AwsFailure, call: S3Call): Explanation {
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
