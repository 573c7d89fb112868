import { writeFile } from 'node:fs/promises';
import { filesOf, MACHINE_NAMES } from './files.ts';

// `npm run machines`: writes what is made from the machines' descriptions.
for (const name of MACHINE_NAMES) {
  for (const { path, text } of await filesOf(name)) await writeFile(path, text);
}
