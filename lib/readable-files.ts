import { chmodSync, lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Lets everybody read a directory and all in it. An archive of an asset keeps the modes of its files, and Lambda reads them as another user than
 * their owner: made where the umask is 077, no function would start.
 */
export function makeReadable(directory: string): void {
  chmodSync(directory, lstatSync(directory).mode | 0o555);
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) makeReadable(path);
    else if (entry.isFile()) chmodSync(path, lstatSync(path).mode | 0o444);
  }
}
