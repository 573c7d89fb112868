import { jest } from '@jest/globals';

/** Does something with this machine's clock at another time; timers and the store's clock go on as they are. */
export async function atAnotherTime<T>(offsetMilliseconds: number, work: () => Promise<T>): Promise<T> {
  const others = ['setTimeout', 'setInterval', 'setImmediate', 'nextTick', 'queueMicrotask', 'performance', 'hrtime'];
  jest.useFakeTimers({
    now: Date.now() + offsetMilliseconds,
    advanceTimers: true,
    doNotFake: [...others, 'clearTimeout', 'clearInterval', 'clearImmediate'] as never,
  });
  try {
    return await work();
  } finally {
    jest.useRealTimers();
  }
}
