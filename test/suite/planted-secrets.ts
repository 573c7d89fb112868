import { appendFile, readFile } from 'node:fs/promises';

/** Shorter values occur by chance. */
const SHORTEST = 16;

/**
 * Remembers values that must never be printed: in the file that `npm test` names, one JSON string a line. Without it (a
 * single suite run by hand) nothing is remembered.
 */
export async function plantSecrets(values: Iterable<string>): Promise<void> {
  const file = process.env['LIFEBOAT_PLANTED_SECRETS'];
  if (file === undefined) return;
  const lines = [...values].filter((value) => value.length >= SHORTEST).map((value) => `${JSON.stringify(value)}\n`);
  await appendFile(file, lines.join(''), { mode: 0o600 });
}

/** All that was planted, each once. */
export async function readPlantedSecrets(file: string): Promise<string[]> {
  const lines = (await readFile(file, 'utf8')).split('\n').filter((line) => line !== '');
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
