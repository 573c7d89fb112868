import { existsSync, readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { format, resolveConfig } from 'prettier';
import type { Machine } from './describe-machine.ts';
import { pictureOf } from './picture.ts';

const FOLDER = join(import.meta.dirname, '..');

/** Around the picture in the page of a machine. */
const BEGIN = '<!-- The picture is made by "npm run machines". -->';
const END = '<!-- End of the picture. -->';

/** Names of all machines: the folders with a description. */
export const MACHINE_NAMES: readonly string[] = readdirSync(FOLDER).filter((name) =>
  existsSync(join(FOLDER, name, 'machine.ts')),
);

/** A file as it must be. */
interface MadeFile {
  readonly path: string;
  readonly text: string;
}

/** What is made from the description of a machine: its file, and its page with the picture in it. */
export async function filesOf(name: string): Promise<MadeFile[]> {
  const { machine } = (await import(join(FOLDER, name, 'machine.ts'))) as { readonly machine: Machine };
  const file = join(FOLDER, name, 'machine.asl.json');
  const page = join(FOLDER, name, 'README.md');
  const options = { ...(await resolveConfig(file)), filepath: file };
  return [
    { path: file, text: await format(JSON.stringify(machine), options) },
    { path: page, text: withPicture(await readFile(page, 'utf8'), pictureOf(machine), page) },
  ];
}

function withPicture(text: string, picture: string, page: string): string {
  const [before, rest = ''] = text.split(BEGIN);
  const [, after] = rest.split(END);
  if (before === undefined || after === undefined) throw new Error(`${page} has no place for the picture`);
  return `${before}${BEGIN}\n\n\`\`\`mermaid\n${picture}\n\`\`\`\n\n${END}${after}`;
}
