import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { open, readFile } from 'node:fs/promises';
import * as z from 'zod';
import { errorCode, TestbedError } from './errors.ts';
import { waitFor } from './waiting.ts';

/** A process that the test bed started, so written that a later process with the same pid is never taken for it. */
export const processRecordSchema = z.object({
  name: z.string(),
  pid: z.int().positive(),
  /** Clock ticks from boot to the start of the process: field 22 of /proc/<pid>/stat. */
  startTicks: z.int().nonnegative(),
  logPath: z.string(),
});
export type ProcessRecord = Readonly<z.infer<typeof processRecordSchema>>;

/** Field 22 of /proc/<pid>/stat, or undefined when there is no such process any more (a zombie is none). */
async function readStartTicks(pid: number): Promise<number | undefined> {
  let stat: string;
  try {
    stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return undefined;
  }
  // The command name in parentheses may hold spaces and parentheses itself.
  const [state, ...fields] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return state === 'Z' || state === 'X' ? undefined : Number(fields[18]);
}

export async function isRunning(record: ProcessRecord): Promise<boolean> {
  return (await readStartTicks(record.pid)) === record.startTicks;
}

/** The record of a process that is known to run, TestbedError with the end of its log when it does not. */
async function recordProcess(name: string, pid: number, logPath: string): Promise<ProcessRecord> {
  const startTicks = await readStartTicks(pid);
  if (startTicks === undefined) throw await endedError(name, logPath);
  return { name, pid, startTicks, logPath };
}

async function endedError(name: string, logPath: string): Promise<TestbedError> {
  const log = await readFile(logPath, 'utf8').catch(() => '');
  return new TestbedError(`${name} ended at once or died: ${log.slice(-2000).trim()}`, {
    remedy: `Its whole log is ${logPath}.`,
  });
}

/** Throws TestbedError with the end of its log when a process that must run does not. */
export async function requireRunning(record: ProcessRecord): Promise<void> {
  if (!(await isRunning(record))) throw await endedError(record.name, record.logPath);
}

/** For programs in Go: memory is there, and a fifth of an API server's start is the collection of garbage. */
export const GO_ENVIRONMENT = { GOGC: '400' };

export interface StartOptions {
  readonly name: string;
  readonly command: readonly [string, ...string[]];
  /** Standard output and error are appended here. */
  readonly logPath: string;
  readonly env?: Readonly<Record<string, string>>;
  /**
   * True when the command forks once and only waits (`nsenter --pid`, `unshare --fork`): recorded is the child, which
   * is the program that matters.
   */
  readonly recordsChild?: boolean;
}

/** Starts a process that outlives us, in a session of its own. */
export async function startDetached(options: StartOptions): Promise<ProcessRecord> {
  const { name, logPath } = options;
  const [program, ...args] = options.command;
  const log = await open(logPath, 'a');
  try {
    const child = spawn(program, args, {
      detached: true,
      cwd: '/',
      stdio: ['ignore', log.fd, log.fd],
      env: { PATH: process.env['PATH'], ...GO_ENVIRONMENT, ...options.env },
    });
    await once(child, 'spawn');
    child.unref();
    const pid = child.pid;
    if (pid === undefined) throw new TestbedError(`${name} was not started`);
    if (options.recordsChild !== true) return await recordProcess(name, pid, logPath);
    const parent = await recordProcess(name, pid, logPath);
    const childPid = await waitFor(
      `the child of ${program} for ${name}`,
      async () => {
        const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '');
        if (children.trim() !== '') return Number.parseInt(children, 10);
        await requireRunning(parent);
        return undefined;
      },
      { timeoutSeconds: 10, intervalMilliseconds: 5 },
    );
    return await recordProcess(name, childPid, logPath);
  } finally {
    await log.close();
  }
}

/** Sends a signal to exactly the recorded process; false when it is gone already. */
export async function signalProcess(record: ProcessRecord, signal: NodeJS.Signals): Promise<boolean> {
  if (!(await isRunning(record))) return false;
  try {
    return process.kill(record.pid, signal);
  } catch (error) {
    if (errorCode(error) === 'ESRCH') return false;
    throw error;
  }
}

async function waitUntilGone(record: ProcessRecord, timeoutSeconds: number): Promise<void> {
  await waitFor(`the end of ${record.name}`, async () => !(await isRunning(record)), {
    timeoutSeconds,
    intervalMilliseconds: 10,
  });
}

/** Ends a process at once and waits until it is gone. */
export async function killProcess(record: ProcessRecord): Promise<void> {
  await signalProcess(record, 'SIGKILL');
  await waitUntilGone(record, 30);
}

/** Asks a process to end, kills it after `graceSeconds`, and waits until it is gone. */
export async function stopProcess(record: ProcessRecord, graceSeconds = 5): Promise<void> {
  if (!(await signalProcess(record, 'SIGTERM'))) return;
  try {
    await waitUntilGone(record, graceSeconds);
  } catch {
    await killProcess(record);
  }
}
