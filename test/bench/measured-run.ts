import type { ChildProcess } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { exitOf } from '../suite/lifeboat.ts';

const POLL_MILLISECONDS = 20;

/** A child process that has ended well. */
export interface MeasuredRun {
  readonly stdout: string;
  readonly milliseconds: number;
  /** The most memory that it had resident at a time. */
  readonly peakBytes: number;
}

/** Follows a child to its end; throws with what it wrote unless it exits with 0. */
export async function runMeasured(child: ChildProcess): Promise<MeasuredRun> {
  const startedAt = performance.now();
  const text = { stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream]?.setEncoding('utf8').on('data', (chunk: string) => (text[stream] += chunk));
  }
  let peakBytes = 0;
  const poll = setInterval(() => {
    readPeakBytes(child.pid).then(
      (bytes) => (peakBytes = Math.max(peakBytes, bytes)),
      () => undefined,
    );
  }, POLL_MILLISECONDS);
  try {
    const exitCode = await exitOf(child);
    if (exitCode !== 0)
      throw new Error(`${child.spawnargs.join(' ')} ended with ${exitCode}: ${text.stderr}${text.stdout}`);
  } finally {
    clearInterval(poll);
  }
  return { stdout: text.stdout, milliseconds: performance.now() - startedAt, peakBytes };
}

/** VmHWM, which only grows: the last look before the end has the peak. */
async function readPeakBytes(pid: number | undefined): Promise<number> {
  const status = await readFile(`/proc/${pid ?? 0}/status`, 'utf8');
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024;
}
