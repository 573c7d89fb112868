import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from '@jest/globals';
import { fragmentsOf, ROOT, sourceTexts } from './source-texts.ts';

const RUNBOOK = readFileSync(join(ROOT, 'docs', 'runbook-restore.md'), 'utf8');
const HEADINGS = [...RUNBOOK.matchAll(/^### `(.+)`$/gm)].map(([, heading = '']) => heading);
/** Shorter ones are found in anything. */
const LEAST_CHARACTERS = 8;

/** What only programmers can bring about, or what is always told as part of another message. */
const NOT_TOLD = [
  'lambdas/datastores/etcd/wire/grpc-frames.ts',
  'lambdas/datastores/etcd/wire/messages.ts',
  'lambdas/store/object-key.ts',
];

const texts = sourceTexts('lambdas', 'bin');
const messages = texts.filter(({ file, isErrorMessage }) => isErrorMessage && !NOT_TOLD.includes(file));

it('finds messages and headings at all', () => {
  expect(messages.length).toBeGreaterThan(150);
  expect(HEADINGS.length).toBeGreaterThan(150);
});

it.each([...new Set(messages.map(({ text }) => text))].filter((text) => isSearchable(text)))(
  'the runbook has a heading for: %s',
  (message) => {
    const [longest = ''] = fragmentsOf(message);
    expect(
      HEADINGS.filter((heading) => heading.includes(longest) || fragmentsOf(heading).some(isIn(message))),
    ).not.toEqual([]);
  },
);

it.each(HEADINGS.filter(isSearchable))('somebody can see what the runbook explains: %s', (heading) => {
  const [longest = ''] = fragmentsOf(heading);
  expect(texts.some(({ text }) => text.includes(longest))).toBe(true);
});

function isSearchable(text: string): boolean {
  return (fragmentsOf(text)[0] ?? '').length >= LEAST_CHARACTERS;
}

/** A heading may name the part of a message that tells it from others. */
function isIn(message: string): (fragment: string) => boolean {
  return (fragment) => fragment.length >= 2 * LEAST_CHARACTERS && message.includes(fragment);
}
