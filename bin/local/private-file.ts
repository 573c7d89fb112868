import { access, link, rename, rm, writeFile } from 'node:fs/promises';
import { ConfigurationError } from '../../lambdas/domain/errors.ts';
import type { Secret } from '../../lambdas/domain/secret.ts';

/** ConfigurationError when there is a file of this name. */
export async function assertAbsent(path: string): Promise<void> {
  try {
    await access(path);
  } catch {
    return;
  }
  throw existsAlready(path);
}

/** Writes a file that only its owner may read, whole or not at all; replaces one only with `replace`. */
export async function writePrivateFile(path: string, content: Secret, replace: boolean): Promise<void> {
  const partial = `${path}.partial-${process.pid}`;
  try {
    await writeFile(partial, content.reveal(), { flag: 'wx', mode: 0o600 });
    if (replace) await rename(partial, path);
    else await link(partial, path);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'EEXIST') throw existsAlready(path);
    throw new ConfigurationError(`${path} can't be written: ${code ?? 'unknown reason'}`, {
      remedy: 'Check that the directory exists and may be written to.',
      cause,
    });
  } finally {
    await rm(partial, { force: true });
  }
}

function existsAlready(path: string): ConfigurationError {
  return new ConfigurationError(`${path} exists already`, {
    remedy: 'Give another file, or --force to replace it.',
  });
}
