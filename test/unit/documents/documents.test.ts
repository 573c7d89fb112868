import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { buildProgram } from '../../../bin/program.ts';
import { METRICS } from '../../../lambdas/domain/metrics.ts';
import { writtenPages } from '../../../lib/documents/documents.ts';
import { withSection } from '../../../lib/documents/markdown.ts';
import { formatPage, readPage } from '../../../lib/documents/pages.ts';
import { ROOT, sourceTexts } from './source-texts.ts';

const README_LINES = 100;
const PAGES = ['README.md', ...markdownBelow('docs'), ...markdownBelow('statemachines'), 'lib/README.md'];
const read = (file: string) => readFileSync(join(ROOT, file), 'utf8');

it('the README is one page', () => {
  expect(read('README.md').trimEnd().split('\n').length).toBeLessThanOrEqual(README_LINES);
});

it.each(Object.entries(writtenPages()))('"npm run documents" would not change %s', async (file, page) => {
  expect(readPage(file)).toBe(await formatPage(page));
});

describe('the sections of measured figures', () => {
  const scripts = (JSON.parse(read('package.json')) as { scripts: Record<string, string> }).scripts;
  const markers = [...readPage('evidence.md').matchAll(/<!-- begin: npm run (\S+) -->/g)].map(([, name = '']) => name);

  it('are those of commands that there are', () => {
    expect(markers.length).toBeGreaterThan(0);
    expect(markers.filter((name) => scripts[name] === undefined)).toEqual([]);
  });

  it.each(markers)('can be written by npm run %s', (name) => {
    const page = withSection(readPage('evidence.md'), `npm run ${name}`, 'measured anew');
    expect(page).toContain(`-->\n\nmeasured anew\n\n<!-- end: npm run ${name} -->`);
    expect(withSection(page, `npm run ${name}`, 'measured anew')).toBe(page);
  });

  it('are never lost for want of a marker', () => {
    expect(() => withSection('# No markers', 'npm run bench', 'figures')).toThrow('there is no section');
  });
});

describe('the runbook of alarms', () => {
  const metrics = Object.entries(METRICS).flatMap(([key, { name }]) => (key === 'oldestVerifiedAge' ? [] : [name]));
  const others = sourceTexts('lib').flatMap(({ text }) => (/^[A-Z]\w+Alarm$/.test(text) ? [text] : []));

  it.each([...new Set([...metrics, ...others])])('says what to do about %s', (alarm) => {
    expect(readPage('runbook-alarms.md')).toMatch(new RegExp(`^### .*${alarm}`, 'm'));
  });
});

describe.each(PAGES)('%s', (page) => {
  it('leads only to what is there', () => {
    const links = [...withoutCode(read(page)).matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = '']) => target);
    expect(links.filter((target) => !/^https?:/.test(target) && !leadsSomewhere(page, target))).toEqual([]);
  });

  it('names only commands and options that there are', () => {
    expect(callsOf(read(page)).flatMap(wrongIn)).toEqual([]);
  });
});

function markdownBelow(folder: string): string[] {
  const files = readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' });
  return files.filter((file) => file.endsWith('.md')).map((file) => join(folder, file));
}

function withoutCode(text: string): string {
  return text.replaceAll(/^```[^]*?^```/gm, '');
}

function leadsSomewhere(page: string, target: string): boolean {
  const [path = '', anchor] = target.split('#');
  const file = path === '' ? page : normalize(join(dirname(page), path));
  if (!existsSync(join(ROOT, file))) return false;
  if (anchor === undefined) return true;
  if (statSync(join(ROOT, file)).isDirectory()) return false;
  const headings = [...withoutCode(read(file)).matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) => slug(heading));
  return headings.includes(anchor);
}

/** The anchor of a heading, as GitHub makes it. */
function slug(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-');
}

/** Command lines of ours in a page: in blocks and between backticks, each up to its comment. */
function callsOf(text: string): string[] {
  const inline = [...withoutCode(text).matchAll(/`((?:npx )?lifeboat [a-z][^`]*)`/g)].map(([, call = '']) => call);
  const lines = [...text.matchAll(/^(?:npx )?lifeboat [a-z].*$/gm)].map(([line]) => line.split(/\s#\s/, 1).join());
  return [...inline, ...lines];
}

/** What a command line says that the program does not know. */
function wrongIn(call: string): string[] {
  const [name = '', ...words] = call.replace(/^npx /, '').split(/\s+/).slice(1);
  const program = buildProgram();
  const command = program.commands.find((one) => one.name() === name);
  if (command === undefined) return [call];
  const known = [...program.options, ...command.options].map(({ long }) => long);
  return words.filter((word) => word.startsWith('--') && !known.includes(word)).map((word) => `${call}: ${word}`);
}
