import { mkdir, readdir, readFile, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode } from './errors.ts';
import { waitFor } from './waiting.ts';

/** Where cgroup hierarchies are mounted: one a controller with version 1, one altogether with version 2. */
async function cgroupMounts(): Promise<string[]> {
  const mounts = (await readFile('/proc/self/mounts', 'utf8')).trim().split('\n');
  return mounts.flatMap((line) => {
    const [, mountPoint = '', type] = line.split(' ');
    return type === 'cgroup' || type === 'cgroup2' ? [mountPoint] : [];
  });
}

/** Removes a directory of a cgroup hierarchy with all below; false while a process that is just ending is in it. */
async function removeTree(path: string): Promise<boolean> {
  try {
    const entries = await readdir(path, { withFileTypes: true });
    for (const entry of entries) {
      if (entry.isDirectory() && !(await removeTree(join(path, entry.name)))) return false;
    }
    await rmdir(path);
    return true;
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return true;
    if (errorCode(error) === 'EBUSY') return false;
    throw error;
  }
}

// containerd's name for the kubelet's containers. With `cgroupsPerQOS: false` the kubelet names no parent, and every
// cluster's containers lie in this one directory, told apart by their ids alone.
const CONTAINERS_DIRECTORY = 'k8s.io';

/**
 * What the containers of all clusters weigh together, in the files of cgroup version 1 and 2. Of itself it is as much as one
 * process outside: where others load the machine, no hosted API server would ever come up.
 */
const WEIGHTS = { 'cpu.shares': 16_384, 'cpu.weight': 1_600 };

/** Lets containers have their part of a machine that others load. To be called before the first of them starts. */
export async function weighContainers(): Promise<void> {
  for (const mount of await cgroupMounts()) {
    const present = await readdir(mount);
    // The hierarchy of the CPU with version 1, and the only one with version 2.
    if (!present.includes('cpu.shares') && !present.includes('cgroup.controllers')) continue;
    const directory = join(mount, CONTAINERS_DIRECTORY);
    await mkdir(directory, { recursive: true });
    const files = await readdir(directory);
    for (const [file, weight] of Object.entries(WEIGHTS)) {
      if (files.includes(file)) await writeFile(join(directory, file), String(weight));
    }
  }
}

/** Removes the cgroups of containers that have ended, from every hierarchy. */
export async function removeContainerCgroups(containerIds: readonly string[]): Promise<void> {
  for (const mount of await cgroupMounts()) {
    const directory = join(mount, CONTAINERS_DIRECTORY);
    for (const id of containerIds) {
      const path = join(directory, id);
      await waitFor(`the cgroup ${path} to be empty`, () => removeTree(path), { timeoutSeconds: 10 });
    }
    // Refused while it has containers of another cluster, which is as it should be.
    await rmdir(directory).catch(() => undefined);
  }
}
