import process from 'node:process';
import { createInterface } from 'node:readline/promises';
import { ConfigurationError } from '../../lambdas/domain/errors.ts';

/** Shows a plan and asks whether to go on, unless `yes` says so already. ConfigurationError when nobody can be asked or says no. */
export async function confirm(plan: string, question: string, yes: boolean, signal: AbortSignal): Promise<void> {
  const { stdin, stderr } = process;
  stderr.write(`${plan}\n`);
  if (yes) return;
  if (!stdin.isTTY || !stderr.isTTY) {
    throw new ConfigurationError('nobody can be asked here whether to go on', {
      remedy: 'Read the plan, then run it with --yes.',
    });
  }
  const terminal = createInterface({ input: stdin, output: stderr });
  try {
    const answer = await terminal.question(`${question} Type "yes": `, { signal });
    if (answer.trim() === 'yes') return;
  } finally {
    terminal.close();
  }
  throw new ConfigurationError('not confirmed; nothing was touched', { remedy: 'Run it again and type "yes".' });
}
