import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { buildSync } from 'esbuild';
import { BUNDLED } from '../../lib/bundles.ts';

const ROOT = join(import.meta.dirname, '..', '..');
/** Always in the same place, else Node would find nothing that it has compiled in runs before. */
const DIRECTORY = join(ROOT, 'node_modules', '.cache', 'lifeboat-programs');
/** What suites start again and again. */
const PROGRAMS = ['bin/lifeboat.ts', 'test/faults/restore-process.ts'];

/** Names the directory of bundled programs to the suites of a run; one that is run by itself starts the sources. */
const VARIABLE = 'LIFEBOAT_BUNDLED_PROGRAMS';

/** Bundles the programs for all suites that this process starts: hundreds of files take most of a start to find and to read. */
export function bundlePrograms(): void {
  rmSync(DIRECTORY, { recursive: true, force: true });
  buildSync({
    ...BUNDLED,
    entryPoints: PROGRAMS.map((program) => join(ROOT, program)),
    outbase: ROOT,
    outdir: DIRECTORY,
    // What a command does not need it does not load either.
    splitting: true,
    // The programs look for files of the package from where one of their sources is.
    define: { 'import.meta.url': JSON.stringify(pathToFileURL(join(ROOT, 'bin/local/machine.ts')).href) },
  });
  process.env[VARIABLE] = DIRECTORY;
}

/** The file to start for a program of this repository, such as `bin/lifeboat.ts`. */
export function programPath(program: string): string {
  const bundled = process.env[VARIABLE];
  if (bundled === undefined || !PROGRAMS.includes(program)) return join(ROOT, program);
  return join(bundled, program.replace(/\.ts$/, '.mjs'));
}
