import {
  ConfigurationError,
  ConflictError,
  PermissionError,
  StoreUnavailableError,
  type LifeboatError,
} from '../domain/errors.ts';

/** The code of one of Node's system errors, e.g. `ENOENT`; undefined for any other value. */
export function systemErrorCode(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

const REFUSED = new Map([
  ['EACCES', 'permission denied'],
  ['EPERM', 'operation not permitted'],
  ['EROFS', 'the filesystem is read-only'],
]);
const FULL = new Map([
  ['ENOSPC', 'no space left'],
  ['EDQUOT', 'the disk quota is used up'],
  ['EFBIG', 'the file is larger than allowed'],
]);
// The same key can't be an object and a folder of other keys on a filesystem.
const FOLDER_AND_OBJECT = new Set(['EISDIR', 'ENOTDIR', 'EEXIST', 'ENOTEMPTY']);

/** Runs work on the file of a key; failed system calls become our errors. `action` reads on from "could not". */
export async function withFileErrors<T>(action: string, path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const code = systemErrorCode(error);
    throw code === undefined ? error : translate(code, `could not ${action} ${path}`, error);
  }
}

function translate(code: string, what: string, cause: unknown): LifeboatError {
  const refused = REFUSED.get(code);
  if (refused !== undefined) {
    return new PermissionError(`${what}: ${refused} (${code})`, {
      remedy:
        'Give the user that runs Lifeboat read and write access to the store directory, on a filesystem with hard links.',
      cause,
    });
  }
  const full = FULL.get(code);
  if (full !== undefined) {
    return new StoreUnavailableError(`${what}: ${full} (${code})`, {
      remedy: 'Free space on that filesystem or let "store" in lifeboat.yaml point to a larger one.',
      cause,
    });
  }
  if (FOLDER_AND_OBJECT.has(code)) {
    return new ConflictError(`${what}: a part of its path is an object and a folder at once (${code})`, {
      remedy: 'Look at what lies at that path; Lifeboat never writes such keys.',
      cause,
    });
  }
  if (code === 'ENAMETOOLONG') {
    return new ConfigurationError(`${what}: the filesystem does not take names that long (${code})`, {
      remedy: 'Use a shorter name, or S3, which takes keys of 1024 bytes.',
      cause,
    });
  }
  return new StoreUnavailableError(`${what}: the filesystem answered ${code}`, {
    remedy: 'Look at the health of the disk or the mount, then try again.',
    cause,
  });
}
