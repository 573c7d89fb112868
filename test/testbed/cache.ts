import { homedir } from 'node:os';
import { join } from 'node:path';

/** Where built binaries and image archives stay between runs: `$XDG_CACHE_HOME` or `~/.cache`, `lifeboat-testbed` in it. */
export function cacheDirectory(): string {
  const base = process.env['XDG_CACHE_HOME'];
  return join(base !== undefined && base.startsWith('/') ? base : join(homedir(), '.cache'), 'lifeboat-testbed');
}
