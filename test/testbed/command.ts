import { spawn } from 'node:child_process';
import { TestbedError } from './errors.ts';

export interface CommandOptions {
  /** Written to standard input, which is closed afterwards. */
  readonly input?: string | Uint8Array;
  readonly env?: NodeJS.ProcessEnv;
  readonly timeoutSeconds?: number;
}

export interface CommandResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command to its end, whatever its exit code; after `timeoutSeconds` (60) it is killed and TestbedError thrown. */
export async function runCommand(
  command: string,
  args: readonly string[],
  { input, env, timeoutSeconds = 60 }: CommandOptions = {},
): Promise<CommandResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'], ...(env === undefined ? {} : { env }) });
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      child.kill('SIGKILL');
    }, timeoutSeconds * 1000);
    child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
    child.once('error', (cause) => {
      clearTimeout(timer);
      reject(new TestbedError(`Cannot run ${command}: ${cause.message}`, { cause }));
    });
    child.once('close', (code, signal) => {
      clearTimeout(timer);
      if (timedOut) {
        reject(new TestbedError(`${command} ${args.join(' ')} did not end within ${timeoutSeconds} s`));
        return;
      }
      resolve({
        exitCode: code ?? 128,
        stdout: Buffer.concat(stdout).toString('utf8'),
        stderr: Buffer.concat(stderr).toString('utf8') + (signal === null ? '' : `\nended by ${signal}`),
      });
    });
    // A command that ends without reading its input breaks the pipe; its exit code says what happened.
    child.stdin.on('error', () => undefined);
    child.stdin.end(input);
  });
}

/** Runs a command that must succeed and returns its standard output; otherwise TestbedError carries its standard error. */
export async function requireCommand(
  command: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<string> {
  const { exitCode, stdout, stderr } = await runCommand(command, args, options);
  if (exitCode !== 0) {
    throw new TestbedError(`${command} ${args.join(' ')} ended with ${exitCode}: ${stderr.trim() || stdout.trim()}`);
  }
  return stdout;
}
