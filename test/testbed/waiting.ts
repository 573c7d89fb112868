import { setTimeout as sleep } from 'node:timers/promises';
import { TestbedError } from './errors.ts';

/**
 * Polls `condition` until it gives something other than undefined or false, and returns that. An error thrown by the
 * condition ends the wait at once; `timeoutSeconds` without success throws TestbedError naming `what`.
 */
export async function waitFor<T>(
  what: string,
  condition: () => T | undefined | false | Promise<T | undefined | false>,
  { timeoutSeconds, intervalMilliseconds = 50 }: { timeoutSeconds: number; intervalMilliseconds?: number },
): Promise<T> {
  const deadline = performance.now() + timeoutSeconds * 1000;
  for (;;) {
    const lookedAt = performance.now();
    const result = await condition();
    if (result !== undefined && result !== false) return result;
    const now = performance.now();
    if (now > deadline) throw new TestbedError(`Waited ${timeoutSeconds} s in vain for ${what}`);
    // A look that takes long, such as a kubectl on a busy machine, takes what others wait for.
    await sleep(Math.max(intervalMilliseconds, 2 * (now - lookedAt)));
  }
}
