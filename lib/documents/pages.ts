import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { format } from 'prettier';
import { withSection } from './markdown.ts';

const DOCS = join(import.meta.dirname, '..', '..', 'docs');

/** A page below `docs/` as it stands there. */
export function readPage(file: string): string {
  return readFileSync(join(DOCS, file), 'utf8');
}

/** A page as it is written: formatted as all files are. */
export async function formatPage(page: string): Promise<string> {
  return await format(page, { parser: 'markdown', printWidth: 120, singleQuote: true });
}

/** Writes a page below `docs/`. */
export async function writePage(file: string, page: string): Promise<void> {
  writeFileSync(join(DOCS, file), await formatPage(page));
}

/** Puts what a command has measured in place of its section in `docs/evidence.md`. `command` is as people type it: `npm run bench`. */
export async function recordEvidence(command: string, section: string): Promise<void> {
  await writePage('evidence.md', withSection(readPage('evidence.md'), command, section));
}
