import * as errors from '../../lambdas/domain/errors.ts';
import { ANY_ERROR } from './states.ts';
import type { Step } from './step.ts';

export interface Retrier {
  readonly ErrorEquals: readonly string[];
  readonly IntervalSeconds?: number;
  readonly MaxAttempts: number;
  readonly BackoffRate?: number;
  readonly MaxDelaySeconds?: number;
  readonly JitterStrategy?: 'FULL';
}

/** How a machine tries again after errors of ours that may pass by themselves. */
export interface Patience {
  readonly intervalSeconds: number;
  readonly attempts: number;
  readonly longestPauseSeconds: number;
}

/**
 * Lambda's own passing errors: https://docs.aws.amazon.com/step-functions/latest/dg/bp-lambda-serviceexception.html, and those that it
 * may have with the network of a function in a VPC: https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
 */
const LAMBDA: Retrier = {
  ErrorEquals: [
    'Lambda.ServiceException',
    'Lambda.AWSLambdaException',
    'Lambda.SdkClientException',
    'Lambda.ClientExecutionTimeoutException',
    'Lambda.ResourceNotReadyException',
    'Lambda.EC2ThrottledException',
    'Lambda.EC2UnexpectedException',
  ],
  IntervalSeconds: 2,
  MaxAttempts: 5,
  BackoffRate: 2,
  MaxDelaySeconds: 60,
  JitterStrategy: 'FULL',
};

/**
 * No function is free, or no address for it: what holds them ends within the 15 minutes that a function may have at the longest, and so long it is
 * waited for. Without jitter, which would halve that; an execution makes few calls at once.
 */
const THROTTLED: Retrier = {
  ErrorEquals: [
    'Lambda.TooManyRequestsException',
    'Lambda.ENILimitReachedException',
    'Lambda.SubnetIPAddressLimitReachedException',
  ],
  IntervalSeconds: 5,
  MaxAttempts: 14,
  BackoffRate: 2,
  MaxDelaySeconds: 90,
};

/** For what takes back, tidies up or reports: tried again whatever the error is. */
export const AFTER_ANYTHING: readonly Retrier[] = [
  { ErrorEquals: [ANY_ERROR], IntervalSeconds: 5, BackoffRate: 2, MaxAttempts: 2 },
];

/** The same, but not while another operation is at work: that takes minutes. */
export const AFTER_ANYTHING_BUT_LOCKS: readonly Retrier[] = [
  { ErrorEquals: ['LockedError'], MaxAttempts: 0 },
  ...AFTER_ANYTHING,
];

/** After what a step is tried again, from the classes of errors themselves. */
export function retriersOf({ limitSeconds, goesOn }: Step, patience: Patience): Retrier[] {
  return [
    {
      ErrorEquals: [
        ...retriedErrors('always'),
        ...(goesOn === true || limitSeconds !== undefined ? retriedErrors('if-it-goes-on') : []),
      ],
      IntervalSeconds: patience.intervalSeconds,
      MaxAttempts: patience.attempts,
      BackoffRate: 2,
      MaxDelaySeconds: patience.longestPauseSeconds,
      JitterStrategy: 'FULL',
    },
    LAMBDA,
    THROTTLED,
  ];
}

/** The names of our errors that are worth another attempt so; a class is exported under its name. */
function retriedErrors(retry: errors.Retry): string[] {
  return Object.entries(errors)
    .filter(([, exported]) => exported.prototype instanceof errors.TransientError && isRetried(exported, retry))
    .map(([name]) => name)
    .sort();
}

function isRetried(errorClass: object, retry: errors.Retry): boolean {
  return (errorClass as typeof errors.TransientError).retry === retry;
}
