import { afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { AwsLimits } from '../../../lambdas/aws/attempts.ts';
import { EventBridgeSchedules } from '../../../lambdas/aws/event-bridge-schedules.ts';
import type { ErrorClass } from '../../../lambdas/aws/explanations.ts';
import { StepFunctionsExecutions } from '../../../lambdas/aws/step-functions-executions.ts';
import {
  AwsUnavailableError,
  ClusterUnreachableError,
  ConfigurationError,
  EventsUnavailableError,
  LifeboatError,
  NotFoundError,
  PermissionError,
} from '../../../lambdas/domain/errors.ts';
import type { EventDetail } from '../../../lambdas/domain/events.ts';
import { Secret } from '../../../lambdas/domain/secret.ts';
import { EventBridgeEvents } from '../../../lambdas/events/event-bridge-events.ts';
import { secretsManagerKubeconfigs, storeKubeconfigSecret } from '../../../lambdas/kube/secrets-manager-kubeconfigs.ts';
import { freePorts } from '../../testbed/free-ports.ts';
import { awsError, SERVER_TEXT, startAwsStub, type AwsStub, type StubAnswer } from './aws-stub.ts';
import { NO_OTHER_CREDENTIALS, withEnvironment } from '../environment.ts';

const LIMITS: Partial<AwsLimits> = { attempts: 3, firstWaitMilliseconds: 1 };
const DETAIL: EventDetail<'PolicyRunFinished'> = {
  version: 1,
  runId: 'nightly-1',
  policy: 'nightly',
  slot: '2026-01-02T03:04:05Z',
  status: 'succeeded',
  counts: { verified: 1, failed: 0, skipped: 0 },
  unreachableManagementClusters: [],
};
const MACHINE = 'arn:aws:states:eu-west-1:123456789012:stateMachine:back-up-fleet';

/** One request of an adapter. */
interface Subject {
  readonly request: (limits: Partial<AwsLimits>) => Promise<unknown>;
  readonly unavailable: ErrorClass;
  readonly permission: string;
  /** What the message must name. */
  readonly object: string;
  readonly success: object;
}

const SUBJECTS: Readonly<Record<string, Subject>> = {
  EventBridge: {
    request: (limits) =>
      new EventBridgeEvents('own-bus', { limits }).publish({ type: 'PolicyRunFinished', detail: DETAIL }),
    unavailable: EventsUnavailableError,
    permission: 'events:PutEvents',
    object: 'event bus own-bus',
    success: { FailedEntryCount: 0, Entries: [{ EventId: '11710aed-b79e-4468-a20b-bb3c0c3b4860' }] },
  },
  'Step Functions': {
    request: (limits) => new StepFunctionsExecutions({ limits }).start(MACHINE, 'nightly-1', {}),
    unavailable: AwsUnavailableError,
    permission: 'states:StartExecution',
    object: MACHINE,
    success: { executionArn: 'arn', startDate: 1 },
  },
  'EventBridge Scheduler': {
    request: (limits) => Array.fromAsync(new EventBridgeSchedules({ limits }).list('own-group')),
    unavailable: AwsUnavailableError,
    permission: 'scheduler:ListSchedules',
    object: 'schedule group own-group',
    success: { Schedules: [] },
  },
  'Secrets Manager, reading': {
    request: (limits) => secretsManagerKubeconfigs({ limits }).read('own-secret'),
    unavailable: ClusterUnreachableError,
    permission: 'secretsmanager:GetSecretValue',
    object: 'secret own-secret',
    success: { SecretString: 'text' },
  },
  'Secrets Manager, writing': {
    request: (limits) => storeKubeconfigSecret('own-secret', new Secret(SERVER_TEXT), { limits }),
    unavailable: AwsUnavailableError,
    permission: 'secretsmanager:CreateSecret',
    object: 'secret own-secret',
    success: { ARN: 'arn' },
  },
};

const stubs: AwsStub[] = [];
afterEach(async () => {
  await Promise.all(stubs.splice(0).map((stub) => stub.stop()));
});
beforeAll(() => {
  Object.assign(process.env, {
    AWS_REGION: 'eu-west-1',
    AWS_ACCESS_KEY_ID: 'AKIAIOSFODNN7EXAMPLE',
    AWS_SECRET_ACCESS_KEY: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
  });
});

async function serve(...answers: readonly [StubAnswer, ...StubAnswer[]]): Promise<AwsStub> {
  const stub = await startAwsStub(...answers);
  stubs.push(stub);
  process.env['AWS_ENDPOINT_URL'] = stub.endpoint;
  return stub;
}

/** The error of a request, which never repeats what the server said. */
async function errorOf({ request, object }: Subject, limits = LIMITS): Promise<LifeboatError> {
  const error = await request(limits).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(LifeboatError);
  const { message, remedy, cause } = error as LifeboatError;
  expect(message).toContain(object);
  expect(remedy).toEqual(expect.any(String));
  expect(`${message} ${String(remedy)} ${String(cause)}`).not.toContain(SERVER_TEXT);
  return error as LifeboatError;
}

describe.each(Object.entries(SUBJECTS))('%s', (_service, subject) => {
  const passing: [string, StubAnswer][] = [
    ['throttling, which AWS says with 400', awsError(400, 'ThrottlingException')],
    ['429', awsError(429, 'TooManyRequestsException')],
    ['500', awsError(500, 'InternalFailure')],
    ['503 of something in between', { status: 503, body: `<html>${SERVER_TEXT}</html>` }],
  ];

  it.each(passing)('is asked again after %s', async (_name, answer) => {
    const stub = await serve(answer, answer, { status: 200, body: subject.success });
    await subject.request(LIMITS);
    expect(stub.signedAt).toHaveLength(3);
  });

  it.each(passing)('is given up after a bounded number of attempts: %s', async (_name, answer) => {
    const stub = await serve(answer);
    expect(await errorOf(subject)).toBeInstanceOf(subject.unavailable);
    expect(stub.signedAt).toHaveLength(3);
  });

  it('is given up when it never answers', async () => {
    const stub = await serve('hang');
    const error = await errorOf(subject, { ...LIMITS, attempts: 2, attemptMilliseconds: 2000 });
    expect(error).toBeInstanceOf(subject.unavailable);
    expect(error.message).toMatch(/it did not answer in time/);
    expect(stub.signedAt).toHaveLength(2);
  });

  it.each<[string, StubAnswer, ErrorClass, RegExp, string]>([
    ['access denied', awsError(400, 'AccessDeniedException'), PermissionError, /access was denied/, subject.permission],
    [
      'an unknown access key',
      awsError(400, 'UnrecognizedClientException'),
      PermissionError,
      /access key or the session token is unknown/,
      'AWS_ACCESS_KEY_ID',
    ],
    [
      'a wrong secret access key',
      awsError(403, 'InvalidSignatureException'),
      PermissionError,
      /secret access key does not belong to the access key/,
      'aws sts get-caller-identity',
    ],
    [
      'credentials that have expired',
      awsError(400, 'ExpiredTokenException'),
      PermissionError,
      /credentials have expired/,
      'AWS_SESSION_TOKEN',
    ],
    [
      'a refusal without a code',
      { status: 403, body: SERVER_TEXT },
      PermissionError,
      /access was denied/,
      subject.permission,
    ],
    [
      'a code that nobody knows',
      awsError(400, 'NovelException'),
      ConfigurationError,
      /refused it \(NovelException/,
      'Look up',
    ],
    [
      'a page of something else',
      { status: 200, body: `<html>${SERVER_TEXT}</html>`, headers: { 'content-type': 'text/html' } },
      ConfigurationError,
      /the answer is not one that/,
      'AWS_ENDPOINT_URL',
    ],
  ])('is asked once, and its refusal told with what to do: %s', async (_name, answer, errorClass, message, remedy) => {
    const stub = await serve(answer);
    const error = await errorOf(subject);
    expect(error).toBeInstanceOf(errorClass);
    expect(error.message).toMatch(message);
    expect(error.remedy).toContain(remedy);
    expect(stub.signedAt).toHaveLength(1);
  });

  it('is asked again with the right time when the clock here is wrong', async () => {
    const anHourOn = new Date(Date.now() + 3_600_000);
    const refusal = awsError(403, 'InvalidSignatureException');
    if (refusal === 'hang') throw new Error('unreachable');
    const stub = await serve(
      { ...refusal, headers: { ...refusal.headers, date: anHourOn.toUTCString() } },
      { status: 200, body: subject.success },
    );
    await subject.request(LIMITS);
    const [first = 0, second = 0] = stub.signedAt.map((time) => time.getTime());
    expect(second - first).toBeGreaterThan(3_500_000);
  });

  it.each<[string, Record<string, string | undefined>, RegExp, RegExp]>([
    ['no region', { AWS_REGION: undefined }, /no region is set/, /AWS_REGION/],
    [
      'no such endpoint, as of a region that does not exist',
      { AWS_ENDPOINT_URL: 'http://lifeboat.invalid' },
      /name of the endpoint is unknown/,
      /AWS_REGION/,
    ],
    [
      'no credentials',
      { AWS_ACCESS_KEY_ID: undefined, AWS_SECRET_ACCESS_KEY: undefined },
      /no usable AWS credentials were found/,
      /AWS_ACCESS_KEY_ID.*AWS_PROFILE/,
    ],
  ])('cannot be asked, which is told with what to do: %s', async (_name, environment, message, remedy) => {
    await serve({ status: 200, body: subject.success });
    const error = await withEnvironment({ ...NO_OTHER_CREDENTIALS, ...environment }, () => errorOf(subject));
    expect(error).toBeInstanceOf(ConfigurationError);
    expect(error.message).toMatch(message);
    expect(error.remedy).toMatch(remedy);
  });

  it('cannot be asked by TLS where there is none', async () => {
    const { endpoint } = await serve({ status: 200, body: subject.success });
    const error = await withEnvironment({ AWS_ENDPOINT_URL: endpoint.replace('http:', 'https:') }, () =>
      errorOf(subject),
    );
    expect(error).toBeInstanceOf(ConfigurationError);
    expect(error.message).toMatch(/it does not speak TLS/);
  });

  it('cannot be reached', async () => {
    const [port = 0] = await freePorts(1);
    const error = await withEnvironment({ AWS_ENDPOINT_URL: `http://127.0.0.1:${port}` }, () => errorOf(subject));
    expect(error).toBeInstanceOf(subject.unavailable);
    expect(error.message).toMatch(/the connection was refused \(ECONNREFUSED\)/);
    expect(error.remedy).toMatch(/AWS_REGION.*interface endpoint/);
  });
});

describe('an event that EventBridge answered and did not take', () => {
  const subject = SUBJECTS['EventBridge'] as Subject;
  const notTaken = (code: string): StubAnswer => ({
    status: 200,
    body: { FailedEntryCount: 1, Entries: [{ ErrorCode: code, ErrorMessage: SERVER_TEXT }] },
  });

  it.each(['ThrottlingException', 'InternalFailure', 'InternalException'])('is sent again after %s', async (code) => {
    const stub = await serve(notTaken(code), notTaken(code), { status: 200, body: subject.success });
    await subject.request(LIMITS);
    expect(stub.signedAt).toHaveLength(3);
  });

  it('is given up after a bounded number of attempts', async () => {
    const stub = await serve(notTaken('ThrottlingException'));
    const error = await errorOf(subject);
    expect(error).toBeInstanceOf(EventsUnavailableError);
    expect(error.message).toMatch(/publish PolicyRunFinished to event bus own-bus: it is throttling/);
    expect(stub.signedAt).toHaveLength(3);
  });

  it.each<[string, ErrorClass, RegExp]>([
    ['AccessDeniedException', PermissionError, /events:PutEvents/],
    ['NotAuthorizedForSourceException', PermissionError, /events:source "lifeboat"/],
    ['NotAuthorizedForDetailTypeException', PermissionError, /events:detail-type/],
    ['MalformedDetail', ConfigurationError, /Look up the code/],
  ])('is not sent again after %s', async (code, errorClass, remedy) => {
    const stub = await serve(notTaken(code));
    const error = await errorOf(subject);
    expect(error).toBeInstanceOf(errorClass);
    expect(error.message).toContain(code);
    expect(error.remedy).toMatch(remedy);
    expect(stub.signedAt).toHaveLength(1);
  });

  it('is not taken for sent without an id', async () => {
    await serve({ status: 200, body: {} });
    expect((await errorOf(subject)).message).toMatch(/what answers is not EventBridge/);
  });
});

describe('what moto takes and AWS refuses', () => {
  it.each<[string, string, StubAnswer, ErrorClass, RegExp]>([
    [
      'a group of schedules that does not exist',
      'EventBridge Scheduler',
      awsError(404, 'ResourceNotFoundException'),
      NotFoundError,
      /list schedule group own-group: it does not exist/,
    ],
    [
      'more executions than the account may have',
      'Step Functions',
      awsError(400, 'ExecutionLimitExceeded'),
      AwsUnavailableError,
      /as many executions are running as the account may have/,
    ],
    [
      'a state machine that is going',
      'Step Functions',
      awsError(400, 'StateMachineDeleting'),
      ConfigurationError,
      /it is being deleted/,
    ],
    [
      'a new secret in the place of one that is about to be deleted',
      'Secrets Manager, writing',
      awsError(400, 'InvalidRequestException'),
      ConfigurationError,
      /it is scheduled for deletion/,
    ],
    [
      'a secret whose key may not be used',
      'Secrets Manager, reading',
      awsError(400, 'DecryptionFailure'),
      PermissionError,
      /access was denied \(DecryptionFailure/,
    ],
  ])('%s', async (_name, service, answer, errorClass, message) => {
    await serve(answer);
    const error = await errorOf(SUBJECTS[service] as Subject);
    expect(error).toBeInstanceOf(errorClass);
    expect(error.message).toMatch(message);
  });
});
