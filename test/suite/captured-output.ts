import { spawn } from 'node:child_process';
import { createWriteStream, type WriteStream } from 'node:fs';
import { once } from 'node:events';
import { appendFile, readFile } from 'node:fs/promises';

/** Names the file of the running capture, for suites that start programs whose output they read themselves. */
export const CAPTURE_VARIABLE = 'LIFEBOAT_CAPTURED_OUTPUT';

const ENDING_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Adds what a program printed to the output that is searched for secrets at the end of the run. */
export async function capture(text: string): Promise<void> {
  const file = process.env[CAPTURE_VARIABLE];
  if (file !== undefined) await appendFile(file, text);
}

/** Shows what commands print as it comes and keeps it in a file, to be searched afterwards. */
export class CapturedOutput {
  readonly #path: string;
  readonly #file: WriteStream;
  /** Of the commands that run. */
  readonly #groups = new Set<number>();
  readonly #onSignal = (signal: NodeJS.Signals): void => {
    for (const group of this.#groups) endGroup(group, signal);
    process.exit(1);
  };

  private constructor(path: string, file: WriteStream) {
    this.#path = path;
    this.#file = file;
    // A terminal sends Ctrl-C to our own group alone.
    for (const signal of ENDING_SIGNALS) process.on(signal, this.#onSignal);
  }

  static async open(path: string): Promise<CapturedOutput> {
    const file = createWriteStream(path, { flags: 'a', mode: 0o600 });
    await once(file, 'open');
    return new CapturedOutput(path, file);
  }

  print(line: string): void {
    this.#take(Buffer.from(`${line}\n`));
  }

  /**
   * Runs a command to its end and gives its exit code; one that can't be started or is killed counts as 1. With it ends all that
   * it started and left, such as what a worker had under way that was killed.
   */
  async run(command: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<number> {
    const child = spawn(command, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, [CAPTURE_VARIABLE]: this.#path, ...env },
      // The head of a process group, which can be ended as one.
      detached: true,
    });
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        this.#take(chunk);
      });
    }
    const { pid } = child;
    if (pid !== undefined) this.#groups.add(pid);
    child.once('exit', () => {
      if (pid === undefined) return;
      endGroup(pid, 'SIGKILL');
      this.#groups.delete(pid);
    });
    return await new Promise((resolve) => {
      child.once('error', (error) => {
        this.print(`${command} could not be run: ${error.message}`);
        resolve(1);
      });
      child.once('close', (code) => {
        resolve(code ?? 1);
      });
    });
  }

  /** Everything so far. */
  async text(): Promise<string> {
    await new Promise((resolve) => this.#file.write('', resolve));
    return await readFile(this.#path, 'utf8');
  }

  async close(): Promise<void> {
    for (const signal of ENDING_SIGNALS) process.off(signal, this.#onSignal);
    this.#file.end();
    await once(this.#file, 'close');
  }

  #take(chunk: Buffer): void {
    process.stdout.write(chunk);
    this.#file.write(chunk);
  }
}

/** Sends a signal to all that is left of a process group. */
function endGroup(leader: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-leader, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
