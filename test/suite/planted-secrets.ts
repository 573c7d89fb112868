import { appendFile, mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Shorter values occur by chance. */
const SHORTEST = 16;

/**
 * Remembers values that must never be printed: in the directory that `npm test` names, one JSON string a line. Every process has
 * a file of its own, as long lines of several would mix. Without it (a single suite run by hand) nothing is remembered.
 */
export async function plantSecrets(values: Iterable<string>): Promise<void> {
  const directory = process.env['LIFEBOAT_PLANTED_SECRETS'];
  if (directory === undefined) return;
  const lines = [...values].filter((value) => value.length >= SHORTEST).map((value) => `${JSON.stringify(value)}\n`);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  await appendFile(join(directory, `${process.pid}.jsonl`), lines.join(''), { mode: 0o600 });
}

/** All that was planted, each once. */
export async function readPlantedSecrets(directory: string): Promise<string[]> {
  const files = (await readdir(directory)).map((name) => readFile(join(directory, name), 'utf8'));
  const lines = (await Promise.all(files)).flatMap((text) => text.split('\n')).filter((line) => line !== '');
  return [...new Set(lines.map((line) => JSON.parse(line) as string))];
}

/**
 * What of the secrets stands in the text, as a hint that does not repeat it. PEM blocks and kubeconfigs are looked for line
 * by line and every value also in base64, because those are the forms in which they leak.
 */
export function findLeaks(text: string, secrets: readonly string[]): string[] {
  const forms = new Set<string>();
  for (const secret of secrets) {
    forms.add(Buffer.from(secret).toString('base64'));
    for (const line of secret.split('\n')) {
      if (line.trim().length >= SHORTEST && !line.includes('-----')) forms.add(line.trim());
    }
  }
  return [...forms]
    .filter((form) => text.includes(form))
    .map((form) => `${form.slice(0, 4)}… (${form.length} characters)`);
}
