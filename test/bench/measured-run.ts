import type { ChildProcess } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { cpus, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { exitOf } from '../suite/lifeboat.ts';
import { requireCommand } from '../testbed/command.ts';

const POLL_MILLISECONDS = 20;

/**
 * Compiles what is measured: what is installed is JavaScript, and taking the types off while it runs would count as time
 * and memory of ours.
 */
export async function compilePrograms(): Promise<void> {
  const compiler = join(import.meta.dirname, '../../node_modules/.bin/tsc');
  const project = join(import.meta.dirname, 'tsconfig.programs.json');
  await requireCommand(compiler, ['--project', project], { timeoutSeconds: 180 });
}

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

/** What a figure in docs/evidence.md stands with. */
export function describeMachine(command: string): string {
  const [cpu] = cpus();
  const memory = Math.round(totalmem() / 1024 ** 3);
  return (
    `Measured with \`${command}\` on ${cpus().length} cores (${cpu?.model.trim() ?? 'unknown'}), ${memory} GiB, ` +
    `Linux ${release()}, Node ${process.version}`
  );
}
