import { mkdir, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { systemErrorCode } from './file-errors.ts';

/** Makes a folder and those above it, for the owner only, such that they survive a power cut. */
export async function makeFolder(folder: string): Promise<void> {
  try {
    // Not with `recursive`: on a read-only filesystem Node then says ENOENT.
    await mkdir(folder, { mode: 0o700 });
  } catch (error) {
    const code = systemErrorCode(error);
    if (code === 'EEXIST') return;
    if (code !== 'ENOENT') throw error;
    await makeFolder(dirname(folder));
    await makeFolder(folder);
    return;
  }
  await syncFolder(dirname(folder));
}

/** Writes a folder's entries to the disk: only then is a new name in it there after a power cut. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
