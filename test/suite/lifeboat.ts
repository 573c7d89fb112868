import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { capture } from './captured-output.ts';
import { programPath } from './programs.ts';

const ROOT = join(import.meta.dirname, '..', '..');
/** Where Node keeps what it has compiled: a start of the command line takes a third of the time, and suites start it often. */
const COMPILE_CACHE = join(ROOT, 'node_modules', '.cache', 'lifeboat-compiled');
/** Longer than any command of the suites takes; a command that hangs must not hang the suite. */
const TIMEOUT_MILLISECONDS = 300_000;

export interface CommandOutcome {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

type ClusterWay = { readonly kubeconfig: string } | { readonly secret: string };

/** What `lifeboat.yaml` of a workspace says. */
export interface WorkspaceConfiguration {
  readonly store: string;
  readonly s3?: { readonly endpoint: string; readonly region: string; readonly forcePathStyle: boolean };
  readonly managementClusters: Readonly<Record<string, ClusterWay & { readonly restore?: ClusterWay }>>;
  readonly policies?: Readonly<Record<string, object>>;
  readonly restore?: { readonly helperImage: string; readonly transfer?: 'attach' | 'presigned-url' };
  readonly hooks?: readonly object[];
  readonly aws?: object;
}

/** A directory with a `lifeboat.yaml`, in which the command line is run as a user runs it. */
export class Workspace {
  readonly directory: string;
  readonly #environment: NodeJS.ProcessEnv;

  private constructor(directory: string, environment: NodeJS.ProcessEnv) {
    this.directory = directory;
    this.#environment = environment;
  }

  static async create(configuration: WorkspaceConfiguration, environment: NodeJS.ProcessEnv = {}): Promise<Workspace> {
    const directory = await mkdtemp(join(tmpdir(), 'lifeboat-workspace-'));
    const workspace = new Workspace(directory, environment);
    await workspace.configure(configuration);
    return workspace;
  }

  /** Puts another `lifeboat.yaml` in place of that one. */
  async configure(configuration: WorkspaceConfiguration): Promise<void> {
    await writeFile(join(this.directory, 'lifeboat.yaml'), stringify(configuration));
  }

  /** Starts the command line; its output goes where `output` says. */
  start(args: readonly string[], output: 'inherit' | 'pipe'): ChildProcess {
    return this.startProgram('bin/lifeboat.ts', args, output);
  }

  /** Starts another program of this repository in the same place; `nodeOptions` are those of NODE_OPTIONS. */
  startProgram(program: string, args: readonly string[], output: 'inherit' | 'pipe', nodeOptions = ''): ChildProcess {
    return spawn(process.execPath, [programPath(program), ...args], {
      cwd: this.directory,
      env: { ...process.env, NODE_COMPILE_CACHE: COMPILE_CACHE, NODE_OPTIONS: nodeOptions, ...this.#environment },
      stdio: ['ignore', output, output],
      timeout: TIMEOUT_MILLISECONDS,
      killSignal: 'SIGKILL',
    });
  }

  /** Runs the command line to its end; `during` gets the process, to disturb it. */
  async run(args: readonly string[], during: (child: ChildProcess) => void = () => undefined): Promise<CommandOutcome> {
    const child = this.start(args, 'pipe');
    const text = { stdout: '', stderr: '' };
    for (const stream of ['stdout', 'stderr'] as const) {
      child[stream]?.setEncoding('utf8').on('data', (chunk: string) => (text[stream] += chunk));
    }
    during(child);
    const exitCode = await exitOf(child);
    await capture(`$ lifeboat ${args.join(' ')}\n${text.stderr}${text.stdout}`);
    return { exitCode, ...text };
  }

  /** Runs with `--json` and gives the parsed result; throws with what was printed unless it exits with 0. */
  async json(args: readonly string[]): Promise<unknown> {
    const { exitCode, stdout, stderr } = await this.run([...args, '--json']);
    if (exitCode !== 0) throw new Error(`lifeboat ${args.join(' ')} ended with ${exitCode}:\n${stderr}${stdout}`);
    return JSON.parse(stdout);
  }

  async remove(): Promise<void> {
    await rm(this.directory, { recursive: true });
  }
}

/** The exit code of a process, -1 when a signal ended it. */
export async function exitOf(child: ChildProcess): Promise<number> {
  return await new Promise<number>((resolve, reject) => {
    child.once('error', reject).once('close', (code) => {
      resolve(code ?? -1);
    });
  });
}
