import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import * as z from 'zod';
import { GateError, TunnelError } from '../../../lambdas/domain/errors.ts';
import type { Progress } from '../../../lambdas/domain/progress.ts';
import { lambdaFunction, type Invocation } from '../../../lambdas/runtime/function.ts';
import { defineStep } from '../../../lambdas/step.ts';

// Functions log their errors; here there is nobody to read them.
beforeEach(() => {
  jest.spyOn(console, 'error').mockReturnValue(undefined);
  jest.spyOn(console, 'info').mockReturnValue(undefined);
});
afterEach(() => {
  jest.restoreAllMocks();
});

const BYTES: Progress = { kind: 'bytes', phase: 'prepare etcd-1', doneBytes: 3 * 2 ** 30, totalBytes: 8 * 2 ** 30 };

/** What a function throws whose time is over at once, when its work ends so. */
async function failureOf(work: (invocation: Invocation) => Promise<unknown>): Promise<unknown> {
  const step = defineStep(z.unknown(), z.unknown(), (_, invocation: Invocation) => work(invocation));
  const handler = lambdaFunction(step, (ports) => Promise.resolve({ ports, close: () => undefined }));
  const context = { functionName: 'lifeboat-PrepareData', getRemainingTimeInMillis: () => 10_020 };
  return await handler({}, context).then(
    () => undefined,
    (error: unknown) => error,
  );
}

const untilAborted = async ({ signal }: Invocation) => {
  await new Promise((resolve) => {
    signal.addEventListener('abort', resolve);
  });
};

describe('a function that runs out of time', () => {
  it('says which one, which part did not fit, and what to choose, and is no defect', async () => {
    const error = await failureOf(async (invocation) => {
      invocation.report(BYTES);
      await untilAborted(invocation);
      invocation.signal.throwIfAborted();
    });
    expect(error).toMatchObject({ name: 'OutOfTimeError' });
    expect(String(error)).toMatch(/lifeboat-PrepareData ran out of time after 0 s, at "prepare etcd-1: 3.*of 8/);
    expect(String(error)).toContain('transfer: presigned-url');
    expect(String(error)).not.toContain('defect');
  });

  it('says what was silent then, and no silence that was over', async () => {
    const silence = (from: string, isOver: boolean): Progress => ({ kind: 'silence', from, seconds: 9, isOver });
    const last = async (...told: Progress[]) =>
      String(
        await failureOf(async (invocation) => {
          for (const progress of [BYTES, ...told]) invocation.report(progress);
          await untilAborted(invocation);
          invocation.signal.throwIfAborted();
        }),
      );
    const silent = await last(silence('the store', false));
    expect(silent).toMatch(/at "prepare etcd-1: .*", with nothing heard for 9 s from the store/);
    expect(silent).toContain('transfer: presigned-url');
    expect(await last(silence('the store', false), silence('the store', true))).not.toContain('the store');
  });

  it('says so whatever its work makes of the end', async () => {
    const error = await failureOf(async (invocation) => {
      invocation.report({ kind: 'phase-started', phase: 'compare', subject: 'datastore main' });
      await untilAborted(invocation);
      throw new TunnelError('cut');
    });
    expect(error).toMatchObject({ name: 'OutOfTimeError' });
    expect(String(error)).toContain('at "compare: datastore main"');
  });

  it('says so when its work never hears of it', async () => {
    jest.useFakeTimers({ doNotFake: ['nextTick', 'queueMicrotask', 'setImmediate'] });
    try {
      const heard = Promise.withResolvers<undefined>();
      const failing = failureOf(async (invocation) => {
        await untilAborted(invocation);
        heard.resolve(undefined);
        return await new Promise<never>(() => undefined);
      });
      await heard.promise;
      await jest.advanceTimersByTimeAsync(8_000);
      expect(await failing).toMatchObject({ name: 'OutOfTimeError' });
    } finally {
      jest.useRealTimers();
    }
  });

  it('tells of what does not hold all the same, and of a defect as one', async () => {
    const failing = (failure: Error) =>
      failureOf(async (invocation) => {
        await untilAborted(invocation);
        throw failure;
      });
    expect(await failing(new GateError('not equal'))).toMatchObject({ name: 'GateError' });
    expect(String(await failing(new RangeError('no')))).toContain('defect in Lifeboat');
  });
});
