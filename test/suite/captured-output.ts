import { spawn } from 'node:child_process';
import { createWriteStream, type WriteStream } from 'node:fs';
import { once } from 'node:events';
import { appendFile, readFile } from 'node:fs/promises';

/** Names the file of the running capture, for suites that start programs whose output they read themselves. */
export const CAPTURE_VARIABLE = 'LIFEBOAT_CAPTURED_OUTPUT';

/** Adds what a program printed to the output that is searched for secrets at the end of the run. */
export async function capture(text: string): Promise<void> {
  const file = process.env[CAPTURE_VARIABLE];
  if (file !== undefined) await appendFile(file, text);
}

/** Shows what commands print as it comes and keeps it in a file, to be searched afterwards. */
export class CapturedOutput {
  readonly #path: string;
  readonly #file: WriteStream;

  private constructor(path: string, file: WriteStream) {
    this.#path = path;
    this.#file = file;
  }

  static async open(path: string): Promise<CapturedOutput> {
    const file = createWriteStream(path, { flags: 'a', mode: 0o600 });
    await once(file, 'open');
    return new CapturedOutput(path, file);
  }

  print(line: string): void {
    this.#take(Buffer.from(`${line}\n`));
  }

  /** Runs a command to its end and gives its exit code; one that can't be started or is killed counts as 1. */
  async run(command: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<number> {
    const child = spawn(command, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, [CAPTURE_VARIABLE]: this.#path, ...env },
    });
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        this.#take(chunk);
      });
    }
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
    this.#file.end();
    await once(this.#file, 'close');
  }

  #take(chunk: Buffer): void {
    process.stdout.write(chunk);
    this.#file.write(chunk);
  }
}
