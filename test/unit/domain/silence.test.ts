import { afterEach, beforeEach, expect, it, jest } from '@jest/globals';
import { describeProgress } from '../../../lambdas/domain/progress.ts';
import { awaitAnswer, startWaiting, tellSilence, type Awaited } from '../../../lambdas/domain/silence.ts';

const told: string[] = [];

beforeEach(() => {
  told.length = 0;
  jest.useFakeTimers({ doNotFake: ['nextTick', 'queueMicrotask', 'setImmediate'] });
});
afterEach(() => {
  jest.useRealTimers();
});

/** Waits for each of them under one watch. */
function waitFor(...names: readonly string[]): Awaited[] {
  return tellSilence(
    (progress) => told.push(describeProgress(progress)),
    () => names.map((name) => startWaiting(name)),
  );
}
const pass = (seconds: number) => {
  jest.advanceTimersByTime(seconds * 1000);
};

it('tells within five seconds of what nothing is heard from, every second, and when it is heard again', () => {
  const [store] = waitFor('the store');
  pass(4);
  expect(told).toEqual([]);
  pass(3);
  store?.heard();
  pass(4);
  expect(told).toEqual([
    'nothing heard for 5 s from the store',
    'nothing heard for 6 s from the store',
    'nothing heard for 7 s from the store',
    'heard again after 7 s: the store',
  ]);
});

it('tells nothing of what is heard now and then, of what it is our turn with, and of what is over', () => {
  const [slow, ours, over] = waitFor('a slow line', 'a full buffer', 'an old request');
  ours?.rest();
  over?.end();
  for (let count = 0; count < 5; count += 1) {
    pass(4);
    slow?.heard();
  }
  expect(told).toEqual([]);
  ours?.heard();
  pass(3);
  slow?.heard();
  pass(2);
  expect(told).toEqual(['nothing heard for 5 s from a full buffer']);
});

it('tells of many only the one that is silent for the longest time, and that all is well when all is', () => {
  const [a, b] = waitFor('a', 'b');
  b?.heard();
  pass(5);
  a?.heard();
  pass(1);
  b?.heard();
  pass(3);
  expect(told).toEqual(['nothing heard for 5 s from a', 'nothing heard for 6 s from b', 'heard again after 6 s: b']);
});

it('takes an answer for a sign, and giving up for none', async () => {
  const answer = Promise.withResolvers<string>();
  const refusal = Promise.withResolvers<string>();
  const working = tellSilence(
    (progress) => told.push(describeProgress(progress)),
    async () => [
      await awaitAnswer('who answers', () => answer.promise),
      await awaitAnswer('who refuses', () => refusal.promise).catch(String),
    ],
  );
  pass(5);
  answer.resolve('yes');
  await jest.advanceTimersByTimeAsync(5_000);
  refusal.reject(new Error('no'));
  expect(await working).toEqual(['yes', 'Error: no']);
  expect(told).toEqual([
    'nothing heard for 5 s from who answers',
    'heard again after 5 s: who answers',
    'nothing heard for 5 s from who refuses',
  ]);
});

it('leaves no timer behind', () => {
  const [store] = waitFor('the store');
  expect(jest.getTimerCount()).toBe(1);
  store?.end();
  pass(1);
  expect(jest.getTimerCount()).toBe(0);
});

it('is for work that nobody listens to as well', async () => {
  expect(await awaitAnswer('the store', () => Promise.resolve('answer'))).toBe('answer');
});
