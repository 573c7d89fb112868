import { createHash } from 'node:crypto';
import { access, mkdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { cacheDirectory } from '../testbed/cache.ts';
import { requireCommand } from '../testbed/command.ts';
import { withLock } from '../testbed/lock.ts';
import { ensurePythonVenv } from '../testbed/prerequisites.ts';
import type { Report } from '../testbed/progress.ts';

const BUILD_SECONDS = 600;

/**
 * The interpreter of a virtual environment that holds exactly the packages of a requirements file with hashes, in the test bed's
 * cache. Safe to call from several processes at once; an environment that was not finished is never seen.
 */
export async function ensurePythonEnvironment(name: string, requirementsPath: string, report: Report): Promise<string> {
  await ensurePythonVenv(report);
  const requirements = await readFile(requirementsPath);
  // An environment is bound to the interpreter that made it.
  const interpreter = await requireCommand('python3', ['-c', 'import sys; print(sys.executable, sys.version)']);
  const hash = createHash('sha256').update(requirements).update(interpreter).digest('hex').slice(0, 16);
  const directory = join(cacheDirectory(), `${name}-${hash}`);
  const python = join(directory, 'bin', 'python');
  if (await exists(directory)) return python;
  await mkdir(cacheDirectory(), { recursive: true });
  return withLock(
    `${directory}.lock`,
    () => {
      report(`${name}: another process is installing it, waiting`);
    },
    async () => {
      if (await exists(directory)) return python;
      report(`${name}: installing it from PyPI`);
      const unfinished = `${directory}.building`;
      await rm(unfinished, { recursive: true, force: true });
      await installInto(unfinished, requirementsPath);
      // Its scripts would now lie about their interpreter; none of them is used.
      await rename(unfinished, directory);
      return python;
    },
  );
}

async function installInto(directory: string, requirementsPath: string): Promise<void> {
  const options = { timeoutSeconds: BUILD_SECONDS };
  await requireCommand('python3', ['-m', 'venv', directory], options);
  await requireCommand(
    join(directory, 'bin', 'python'),
    [
      ...['-m', 'pip', 'install', '--quiet', '--no-input', '--disable-pip-version-check'],
      ...['--no-deps', '--only-binary', ':all:', '--require-hashes', '--requirement', requirementsPath],
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
