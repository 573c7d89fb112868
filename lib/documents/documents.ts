/** `npm run documents`: writes the pages and sections that are made from the code itself. A test says that they are up to date. */
import { costTable } from '../costs/costs.ts';
import { commandsPage } from './commands-page.ts';
import { configurationPage } from './configuration-page.ts';
import { withSection } from './markdown.ts';
import { readPage, writePage } from './pages.ts';

/** Every page that is written, by its file below `docs/`, not yet formatted. */
export function writtenPages(): Readonly<Record<string, string>> {
  return {
    'configuration.md': configurationPage(),
    'commands.md': commandsPage(),
    'costs.md': withSection(readPage('costs.md'), 'npm run costs', costTable()),
  };
}

if (import.meta.main) {
  for (const [file, page] of Object.entries(writtenPages())) await writePage(file, page);
}
