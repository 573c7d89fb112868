import { randomUUID } from 'node:crypto';
import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * What the filesystem of a folder takes for now, by a file that is made there and removed: comparable with the times of what lies
 * there. A directory may be a file server's, whose clock is another than this machine's.
 */
export async function filesystemTime(folder: string): Promise<Date> {
  // Hidden, so that no listing shows it.
  const path = join(folder, `.now-${randomUUID()}`);
  const file = await open(path, 'wx', 0o600);
  try {
    return (await file.stat()).mtime;
  } finally {
    await file.close();
    await rm(path, { force: true });
  }
}
