import { access, constants, link, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { ConfigurationError } from '../../lambdas/domain/errors.ts';
import type { Secret } from '../../lambdas/domain/secret.ts';

/**
 * ConfigurationError when a file of this name cannot be made: its folder is not there or may not be written to, the name is a
 * folder's, or, without `replace`, it exists. For before anything that takes long or cannot be undone.
 */
export async function assertWritable(path: string, replace: boolean): Promise<void> {
  const folder = dirname(path);
  const inFolder = await stat(folder).catch((cause: unknown) => {
    throw new ConfigurationError(`${path} can't be written: there is no folder ${folder}`, {
      remedy: `Make it (mkdir -p ${folder}), or give another file.`,
      cause,
    });
  });
  if (!inFolder.isDirectory()) {
    throw new ConfigurationError(`${path} can't be written: ${folder} is no folder`, { remedy: 'Give another file.' });
  }
  const there = await stat(path).catch(() => undefined);
  if (there?.isDirectory() === true) {
    throw new ConfigurationError(`${path} is a folder`, { remedy: 'Give the name of a file in it.' });
  }
  if (there !== undefined && !replace) throw existsAlready(path);
  await access(folder, constants.W_OK).catch((cause: unknown) => {
    throw new ConfigurationError(`${path} can't be written: this user may not write to ${folder}`, {
      remedy: 'Give a file in another folder.',
      cause,
    });
  });
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
