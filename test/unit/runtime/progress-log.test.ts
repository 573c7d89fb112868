import { afterEach, beforeEach, expect, it, jest } from '@jest/globals';
import { progressLog } from '../../../lambdas/runtime/function.ts';

const logged: unknown[] = [];
let milliseconds = 0;

beforeEach(() => {
  logged.length = 0;
  jest.spyOn(console, 'info').mockImplementation((line) => void logged.push([milliseconds, line]));
});
afterEach(() => {
  jest.restoreAllMocks();
});

it('tells what a step waits for when it changes and every 30 s, and leaves out bytes', () => {
  const report = progressLog(() => milliseconds);
  const waiting = (text: string) => ({ kind: 'waiting', phase: 'swap-data', text }) as const;
  for (milliseconds = 0; milliseconds <= 60_000; milliseconds += 250) {
    report(waiting(milliseconds < 5000 ? 'pod a waits' : 'pod a waits: ErrImagePull'));
    report({ kind: 'bytes', phase: 'prepare', doneBytes: 1, totalBytes: 2 });
  }
  expect(logged).toEqual([
    [0, waiting('pod a waits')],
    [5000, waiting('pod a waits: ErrImagePull')],
    [35_000, waiting('pod a waits: ErrImagePull')],
  ]);
});
