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

it('tells of silence at once, every 30 s, when it is over, and at once again, whatever is waited for meanwhile', () => {
  const report = progressLog(() => milliseconds);
  const silence = (seconds: number, isOver = false) =>
    ({ kind: 'silence', from: 'the store', seconds, isOver }) as const;
  const waiting = { kind: 'waiting', phase: 'swap-data', text: 'pod a waits' } as const;
  for (milliseconds = 0; milliseconds < 40_000; milliseconds += 1000) {
    report(silence(5 + milliseconds / 1000));
    report(waiting);
  }
  report(silence(45, true));
  report(silence(5));
  expect(logged).toEqual([
    [0, silence(5)],
    [0, waiting],
    [30_000, silence(35)],
    [30_000, waiting],
    [40_000, silence(45, true)],
    [40_000, silence(5)],
  ]);
});
