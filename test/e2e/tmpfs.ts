import { mkdtemp, rmdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { requireCommand } from '../testbed/command.ts';

/** Mounts a filesystem in memory with options of tmpfs, hands its path to `use`, and removes it whatever happens. */
export async function withTmpfs<T>(options: string, use: (path: string) => Promise<T>): Promise<T> {
  const path = await mkdtemp(join(tmpdir(), 'lifeboat-tmpfs-'));
  try {
    await requireCommand('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', path]);
    try {
      return await use(path);
    } finally {
      await requireCommand('umount', [path]);
    }
  } finally {
    await rmdir(path);
  }
}
