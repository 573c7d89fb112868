import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import validate from 'asl-validator';
import * as errors from '../../lambdas/domain/errors.ts';
import { lambdaFunction } from '../../lambdas/runtime/function.ts';
import { defineStep } from '../../lambdas/step.ts';
import * as z from 'zod';
import {
  changeState,
  MACHINE_NAMES,
  parseAsl,
  pausesOf,
  readAsl,
  retriesOf,
  statesOf,
  tasksOf,
  THROTTLED,
  type Asl,
} from './asl.ts';
import { FUNCTION_NAMES } from './machine-steps.ts';

/** Functions that events start, not machines. */
const EVENT_FUNCTIONS = ['StartPolicyRun', 'VerifyArrivedPoint', 'ReportStatus'];

/** https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html, and Lambda's own in bp-lambda-serviceexception.html */
const ERRORS_OF_AWS = [
  ...['ALL', 'Timeout', 'TaskFailed', 'Permissions'].map((name) => `States.${name}`),
  ...['ServiceException', 'AWSLambdaException', 'SdkClientException', 'TooManyRequestsException'].map(
    (name) => `Lambda.${name}`,
  ),
  ...['Lambda.ClientExecutionTimeoutException', 'Lambda.ResourceNotReadyException', 'Lambda.Unknown'],
  // https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html, of functions in a VPC
  ...['EC2ThrottledException', 'EC2UnexpectedException', 'ENILimitReachedException'].map((name) => `Lambda.${name}`),
  'Lambda.SubnetIPAddressLimitReachedException',
];

/** Lambda's own that may pass within a minute. */
const PASSING_ERRORS_OF_LAMBDA = [
  ...['ServiceException', 'AWSLambdaException', 'SdkClientException'].map((name) => `Lambda.${name}`),
  ...['Lambda.ClientExecutionTimeoutException', 'Lambda.ResourceNotReadyException'],
  ...['EC2ThrottledException', 'EC2UnexpectedException'].map((name) => `Lambda.${name}`),
];

/** Not worth another attempt within seconds: whoever holds the lock works for minutes. */
const NEVER_RETRIED = ['LockedError'];

/** Functions whose work goes on from where it was: all others would run out of time again. */
const GOING_ON = [
  ...['PrepareData', 'FenceControlPlane', 'StopDatastore', 'SwapData', 'StartDatastore', 'StartControlPlane'],
  ...['FinishRestore', 'ApplyRetention'],
];

/** https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html */
const LONGEST_FUNCTION_SECONDS = 900;

/** Every class of `lambdas/domain/errors.ts` that can be thrown, by the name that it is exported under. */
const OUR_ERRORS: ReadonlyMap<string, errors.LifeboatError> = new Map(
  Object.entries(errors)
    .map(
      ([name, errorClass]) => [name, new (errorClass as new (message: string) => errors.LifeboatError)('why')] as const,
    )
    .filter(([, error]) => (error.kind as string | undefined) !== undefined && Object.hasOwn(error, 'name')),
);

/** Names in any ErrorEquals, each with its state. */
function namesIn(machine: Asl, field: 'Retry' | 'Catch'): { readonly state: string; readonly name: string }[] {
  return statesOf(machine).flatMap(([state, definition]) =>
    (definition[field] ?? []).flatMap(({ ErrorEquals }) => ErrorEquals.map((name) => ({ state, name }))),
  );
}

/** Names that neither AWS nor Lifeboat gives to an error. */
function unknownErrors(machine: Asl): string[] {
  return [...namesIn(machine, 'Retry'), ...namesIn(machine, 'Catch')]
    .filter(({ name }) => !ERRORS_OF_AWS.includes(name) && !OUR_ERRORS.has(name))
    .map(({ state, name }) => `${state}: ${name}`);
}

/** What may pass by itself and yet is not tried again, and what is tried again although it never passes. */
function wrongRetries(machine: Asl): string[] {
  return tasksOf(machine).flatMap(({ name: state, state: definition, functionName }) => {
    const names = new Set(retriesOf(definition).map(({ error }) => error));
    return [...OUR_ERRORS].flatMap(([name, { kind }]) => {
      const isLost = name === 'OutOfTimeError' && !GOING_ON.includes(functionName);
      const isWorthIt = kind === 'transient' && !NEVER_RETRIED.includes(name) && !isLost;
      return names.has(name) === isWorthIt ? [] : [`${state}: ${name} is ${isWorthIt ? 'not ' : ''}retried`];
    });
  });
}

/** As it is deployed: an ARN in place of every placeholder. */
function deploy(text: string): string {
  return text.replaceAll(
    /\$\{(\w+)FunctionArn\}/g,
    'arn:aws:lambda:eu-central-1:123456789012:function:Lifeboat-$1F0E1D2C3-aBcDeFgHiJkL',
  );
}

describe.each(MACHINE_NAMES)('the file of the machine %s', (name) => {
  const machine = parseAsl(name);

  it('is valid Amazon States Language once the ARNs are in', async () => {
    const deployed = deploy(readAsl(name));
    expect(deployed).not.toContain('${');
    const { isValid, errorsText } = await validate(JSON.parse(deployed));
    expect(errorsText('\n')).toBe('');
    expect(isValid).toBe(true);
  });

  it('calls functions that there are', () => {
    const called = tasksOf(machine).map(({ functionName }) => functionName);
    expect(called.filter((functionName) => !FUNCTION_NAMES.includes(functionName))).toEqual([]);
    expect(called.filter((functionName) => EVENT_FUNCTIONS.includes(functionName))).toEqual([]);
  });

  it('gives every Task a time that a function can have, and the whole one as well', () => {
    for (const { name: state, state: task } of tasksOf(machine)) {
      const { TimeoutSeconds = 0 } = task;
      expect([state, TimeoutSeconds > 0 && TimeoutSeconds <= LONGEST_FUNCTION_SECONDS]).toEqual([state, true]);
    }
    expect(machine.TimeoutSeconds).toBeGreaterThan(0);
  });

  it('names its states with sentences', () => {
    for (const [state] of statesOf(machine)) expect(state).toMatch(/^[A-Z][a-z]+( [\w'-]+)+\??$/);
  });

  it('mentions only errors that somebody raises', () => {
    expect(unknownErrors(machine)).toEqual([]);
  });

  it('tries again what may pass by itself, and nothing else of ours', () => {
    expect(wrongRetries(machine)).toEqual([]);
  });

  it('tries again what may pass in Lambda, and waits longer for a free function than any function may run', () => {
    for (const { name: state, state: task } of tasksOf(machine)) {
      const names = retriesOf(task).map(({ error }) => error);
      expect([state, PASSING_ERRORS_OF_LAMBDA.filter((error) => !names.includes(error))]).toEqual([state, []]);
      const [throttled, ...others] = (task.Retry ?? []).filter(({ ErrorEquals }) =>
        ErrorEquals.some((error) => THROTTLED.includes(error)),
      );
      expect([state, throttled?.ErrorEquals]).toEqual([state, THROTTLED]);
      expect([state, others]).toEqual([state, []]);
      expect(throttled?.JitterStrategy).toBeUndefined();
      const pauses = throttled === undefined ? 0 : pausesOf(throttled);
      expect(pauses).toBeGreaterThan(LONGEST_FUNCTION_SECONDS);
      expect(pauses).toBeLessThan(1.25 * LONGEST_FUNCTION_SECONDS);
    }
  });

  it('fails with no error of a name that is kept for Step Functions', () => {
    const names = statesOf(machine).flatMap(([, { Type, Error }]) => (Type === 'Fail' ? [Error ?? 'by path'] : []));
    expect(names).not.toEqual([]);
    expect(names.filter((name) => name.startsWith('States.'))).toEqual([]);
  });

  it('gives every Task that did not end in its time a cause, before anybody looks at it', () => {
    const states = new Map(statesOf(machine));
    for (const [state, { Type, Catch = [] }] of states) {
      const [any] = Catch.filter(({ ErrorEquals }) => ErrorEquals.includes('States.ALL'));
      if (Type !== 'Task' || any === undefined || any.ResultPath === null) continue;
      const late = Catch.find(({ ErrorEquals }) => ErrorEquals.includes('States.Timeout'));
      const told = states.get(late?.Next ?? '');
      expect([state, late?.ResultPath, told]).toMatchObject([
        state,
        null,
        {
          Type: 'Pass',
          Parameters: { Error: 'States.Timeout', Cause: expect.stringMatching(/\w/) },
          ResultPath: any.ResultPath,
          Next: any.Next,
        },
      ]);
    }
  });

  it('catches everything last, so that what is caught by its name is not lost', () => {
    for (const [, { Catch = [] }] of statesOf(machine)) {
      const [last, ...others] = Catch.map(({ ErrorEquals }) => ErrorEquals).toReversed();
      expect(last ?? ['States.ALL']).toEqual(['States.ALL']);
      expect(others.flat()).not.toContain('States.ALL');
    }
  });
});

describe('what is checked of every machine', () => {
  const machine = parseAsl('back-up-fleet');
  const retrying = (...ErrorEquals: string[]) =>
    changeState(machine, 'Take the snapshot', (state) => ({ ...state, Retry: [{ ErrorEquals }] }));

  it('includes misspelt errors', () => {
    expect(unknownErrors(retrying('TunnelFailure', 'Lambda.TooManyRequestException'))).toEqual([
      'Take the snapshot: TunnelFailure',
      'Take the snapshot: Lambda.TooManyRequestException',
    ]);
  });

  it('includes errors that are retried in vain or not at all', () => {
    const names = namesIn(machine, 'Retry').flatMap(({ state, name }) => (state === 'Take the snapshot' ? [name] : []));
    const others = names.filter((name) => name !== 'ClusterUnreachableError');
    expect(wrongRetries(retrying('ConfigurationError', ...others)).sort()).toEqual([
      'Take the snapshot: ClusterUnreachableError is not retried',
      'Take the snapshot: ConfigurationError is retried',
    ]);
  });
});

describe('the functions', () => {
  it('are each called by a machine or started by an event', () => {
    const called = MACHINE_NAMES.flatMap((name) => tasksOf(parseAsl(name)).map(({ functionName }) => functionName));
    const idle = FUNCTION_NAMES.filter((name) => !called.includes(name) && !EVENT_FUNCTIONS.includes(name));
    expect(idle).toEqual([]);
  });
});

describe('the name by which a machine knows an error', () => {
  // Functions log their errors; here there is nobody to read them.
  beforeEach(() => {
    jest.spyOn(console, 'error').mockReturnValue(undefined);
  });
  afterEach(() => {
    jest.restoreAllMocks();
  });

  it.each([...OUR_ERRORS])('is %s here and in Lambda', async (name, error) => {
    expect(error.name).toBe(name);
    const step = defineStep(z.unknown(), z.unknown(), () => Promise.reject(error));
    const handler = lambdaFunction(step, () => Promise.resolve({ ports: undefined, close: () => undefined }));
    // Lambda's runtime for Node gives `name` as errorType, which Step Functions compares.
    await expect(handler({}, { getRemainingTimeInMillis: () => 60_000 })).rejects.toMatchObject({ name });
  });

  it('is none of those that are kept for Step Functions and Lambda', () => {
    expect([...OUR_ERRORS.keys()].filter((name) => /^(States|Lambda)\./.test(name))).toEqual([]);
  });

  it('covers every class that can be thrown', () => {
    expect(OUR_ERRORS.size).toBeGreaterThan(10);
    expect([...OUR_ERRORS.keys()]).toContain('EventsUnavailableError');
  });
});
