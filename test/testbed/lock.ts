import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { TestbedError } from './errors.ts';

/**
 * Runs `work` while no other process runs under the same lock file. The lock is flock(2), held by a child that lives as
 * long as a pipe from us: the kernel lets go of it however we end, so there is no stale lock to judge.
 */
export async function withLock<T>(path: string, onWait: () => void, work: () => Promise<T>): Promise<T> {
  const holder = spawn('flock', [path, 'sh', '-c', 'echo locked; exec cat'], { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = once(holder, 'close');
  ended.catch(() => undefined);
  const waiting = setTimeout(onWait, 300);
  try {
    const outcome = await Promise.race([once(holder.stdout, 'data').then(() => 'locked'), ended.then(() => 'ended')]);
    if (outcome === 'ended')
      throw new TestbedError(`Cannot lock ${path}`, { remedy: 'Is flock(1) there, of util-linux?' });
    clearTimeout(waiting);
    return await work();
  } finally {
    clearTimeout(waiting);
    holder.stdin.end();
    holder.stdout.resume();
    await ended.catch(() => undefined);
  }
}
