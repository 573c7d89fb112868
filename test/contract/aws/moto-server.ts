import { createHash } from 'node:crypto';
import { access, mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cacheDirectory } from '../../testbed/cache.ts';
import { requireCommand } from '../../testbed/command.ts';
import { freePorts } from '../../testbed/free-ports.ts';
import { withLock } from '../../testbed/lock.ts';
import { ensurePythonVenv } from '../../testbed/prerequisites.ts';
import { requireRunning, startDetached, stopProcess } from '../../testbed/process.ts';
import type { Report } from '../../testbed/progress.ts';
import { waitFor } from '../../testbed/waiting.ts';

const REQUIREMENTS = join(import.meta.dirname, 'moto', 'requirements.txt');
const BUILD_SECONDS = 600;

/** AWS's services for one suite, empty at first. */
export interface MotoServer {
  /** http://127.0.0.1:<port> */
  readonly endpoint: string;
  stop(): Promise<void>;
}

/** Starts moto on a free port of loopback; the first time on a machine it is installed, which takes about a minute. */
export async function startMoto(): Promise<MotoServer> {
  const python = await ensureMoto((line) => process.stderr.write(`${line}\n`));
  const directory = await mkdtemp(join(tmpdir(), 'lifeboat-moto-'));
  const [port = 0] = await freePorts(1);
  const record = await startDetached({
    name: 'moto',
    command: [python, '-m', 'moto.server', '--host', '127.0.0.1', '--port', String(port)],
    logPath: join(directory, 'moto.log'),
  });
  const stop = async (): Promise<void> => {
    await stopProcess(record);
    await rm(directory, { recursive: true });
  };
  const endpoint = `http://127.0.0.1:${port}`;
  try {
    await waitFor(
      `moto at ${endpoint} to answer`,
      async () => {
        await requireRunning(record);
        return answers(`${endpoint}/moto-api/`);
      },
      { timeoutSeconds: 60, intervalMilliseconds: 200 },
    );
  } catch (error) {
    await stop();
    throw error;
  }
  return { endpoint, stop };
}

async function answers(url: string): Promise<boolean> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(5_000) });
    await response.arrayBuffer();
    return response.ok;
  } catch {
    return false;
  }
}

/**
 * The interpreter of a virtual environment that holds exactly the required packages, in the test bed's cache. Safe to call
 * from several processes at once; an environment that was not finished is never seen.
 */
async function ensureMoto(report: Report): Promise<string> {
  await ensurePythonVenv(report);
  const requirements = await readFile(REQUIREMENTS);
  // An environment is bound to the interpreter that made it.
  const interpreter = await requireCommand('python3', ['-c', 'import sys; print(sys.executable, sys.version)']);
  const hash = createHash('sha256').update(requirements).update(interpreter).digest('hex').slice(0, 16);
  const directory = join(cacheDirectory(), `moto-${hash}`);
  const python = join(directory, 'bin', 'python');
  if (await exists(directory)) return python;
  await mkdir(cacheDirectory(), { recursive: true });
  return withLock(
    `${directory}.lock`,
    () => {
      report('moto: another process is installing it, waiting');
    },
    async () => {
      if (await exists(directory)) return python;
      report('moto: installing it from PyPI');
      const unfinished = `${directory}.building`;
      await rm(unfinished, { recursive: true, force: true });
      await installInto(unfinished);
      // Its scripts would now lie about their interpreter; none of them is used.
      await rename(unfinished, directory);
      return python;
    },
  );
}

async function installInto(directory: string): Promise<void> {
  const options = { timeoutSeconds: BUILD_SECONDS };
  await requireCommand('python3', ['-m', 'venv', directory], options);
  await requireCommand(
    join(directory, 'bin', 'python'),
    [
      ...['-m', 'pip', 'install', '--quiet', '--no-input', '--disable-pip-version-check'],
      ...['--no-deps', '--only-binary', ':all:', '--require-hashes', '--requirement', REQUIREMENTS],
    ],
    options,
  );
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
