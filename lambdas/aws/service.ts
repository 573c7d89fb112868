import { ConfigurationError, NotFoundError, PermissionError, type LifeboatError } from '../domain/errors.ts';
import { withAttempts, type AwsLimits, type HttpOptions } from './attempts.ts';
import type { AwsFailure } from './aws-failure.ts';
import { commonExplanations, explainedError, type AwsCall, type ErrorClass, type Explanation } from './explanations.ts';

/**
 * For services that answer at once with little data. Everything together stays below a minute, so that a step that waits
 * for it in vain ends with its own error before the machine's timeout.
 */
const DEFAULT_LIMITS: AwsLimits = {
  attempts: 5,
  firstWaitMilliseconds: 200,
  connectMilliseconds: 3_000,
  idleMilliseconds: 8_000,
  attemptMilliseconds: 8_000,
};

/** Bounds of requests that differ from the defaults. */
export interface AwsOptions {
  readonly limits?: Partial<AwsLimits>;
}

export function limitsOf({ limits }: AwsOptions): AwsLimits {
  return { ...DEFAULT_LIMITS, ...limits };
}

/** One service of AWS, besides S3, as far as its errors are concerned. */
export interface AwsService {
  /** As AWS writes it. */
  readonly name: string;
  readonly explanations: Readonly<Record<string, Explanation>>;
  readonly unavailable: ErrorClass;
}

/** Describes a service by its name and its own error codes; those that all services share are added. */
export function awsService(
  name: string,
  unavailable: ErrorClass,
  own: Readonly<Record<string, Explanation>>,
): AwsService {
  const endpointRemedy = `Check AWS_REGION and that ${name} can be reached from here; in a VPC without a way out it needs an interface endpoint.`;
  const common = commonExplanations({
    unavailable,
    endpointRemedy,
    unknownNameRemedy: `Check AWS_REGION: ${name} has an endpoint of its own in each region.`,
    schemeRemedy: 'Check whether AWS_ENDPOINT_URL begins with http:// or https://.',
    certificateRemedy:
      'Look at AWS_ENDPOINT_URL and at proxies on the way; a CA of your own goes into NODE_EXTRA_CA_CERTS.',
    regionRemedy: 'Set AWS_REGION.',
    laterRemedy: laterRemedy(name),
  });
  return { name, unavailable, explanations: { ...common, ...own } };
}

/** How a request is made and judged. */
interface RequestOptions<T> {
  readonly call: AwsCall;
  readonly limits: AwsLimits;
  /** Last word on a request that failed for good: gives its result after all, or throws. */
  readonly rescue?: (failure: AwsFailure, error: LifeboatError) => T | Promise<T>;
}

/** Makes one request to a service with bounded attempts; what fails for good becomes an error of ours. */
export async function requestOf<T>(
  service: AwsService,
  { call, limits, rescue = raise }: RequestOptions<T>,
  attempt: (http: HttpOptions) => Promise<T>,
): Promise<T> {
  return withAttempts(attempt, {
    from: `${service.name} (${call.verb} ${call.object})`,
    limits,
    giveUp: (failure) => rescue(failure, explainedError(failure, call, explain(failure, call, service))),
  });
}

/** The answer was a success and lacks what the service always sends: something else listens there. */
export function notThisServiceError({ name }: AwsService, { verb, object }: AwsCall): LifeboatError {
  return new ConfigurationError(`could not ${verb} ${object}: what answers is not ${name}`, {
    remedy: 'Look at AWS_ENDPOINT_URL and at proxies on the way.',
  });
}

function raise(_failure: AwsFailure, error: LifeboatError): never {
  throw error;
}

function laterRemedy(name: string): string {
  return `Try again later; if it lasts, look at the quotas of ${name} and at the AWS Health Dashboard.`;
}

// AWS answers with 400 to much that is 403 by its meaning, so the code counts before the status.
const DENIED = /^(AccessDenied|NotAuthorized|KmsAccessDenied|OptInRequired|DecryptionFailure|EncryptionFailure)/;
const MISSING = /^(ResourceNotFound|StateMachineDoesNotExist)/;

function explain(failure: AwsFailure, { permission }: AwsCall, service: AwsService): Explanation {
  const { code, status } = failure;
  const known = service.explanations[code];
  if (known !== undefined) return known;
  if (DENIED.test(code) || status === 401 || status === 403) {
    return [
      'access was denied',
      PermissionError,
      `Check that the credentials are right and that their policy, and those of the resource and of its KMS key, allow ${permission}.`,
    ];
  }
  if (MISSING.test(code) || status === 404) {
    return [
      'it does not exist',
      NotFoundError,
      'Correct its name, and the region and the account (AWS_REGION, AWS_PROFILE).',
    ];
  }
  if (failure.retryable) return [`${service.name} could not do it now`, service.unavailable, laterRemedy(service.name)];
  if (status === undefined) {
    return ['the request could not be made', ConfigurationError, 'Look at AWS_REGION and AWS_ENDPOINT_URL.'];
  }
  return [
    status >= 400 ? `${service.name} refused it` : `the answer is not one that ${service.name} should give`,
    ConfigurationError,
    'Look up the code in the documentation of AWS; look at AWS_ENDPOINT_URL and at proxies on the way.',
  ];
}
