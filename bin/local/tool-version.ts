import { readFileSync } from 'node:fs';
import { findPackageJSON } from 'node:module';

/** The version in the package's own `package.json`. */
export function toolVersion(): string {
  const file = findPackageJSON(import.meta.url);
  const { version } = JSON.parse(file === undefined ? '{}' : readFileSync(file, 'utf8')) as { version?: string };
  return version ?? 'unknown';
}
