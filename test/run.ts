/**
 * `npm test`: static checks, unit and contract suites, the end-to-end suites on the test bed, and a search of all they
 * printed for planted secrets. The last line is plain `N passed, N failed[, N skipped]`; the exit code is 1 on any failure
 * and when nothing ran.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as z from 'zod';
import { CapturedOutput } from './suite/captured-output.ts';
import { findLeaks, readPlantedSecrets } from './suite/planted-secrets.ts';
import { ensureBinaries } from './testbed/binaries.ts';
import { findObstacle } from './testbed/prerequisites.ts';

const CHECKS = ['prettier --check --log-level warn .', 'eslint --max-warnings 0 .', 'tsc --noEmit', 'knip'];

const jestResultSchema = z.object({
  numPassedTests: z.int(),
  numFailedTests: z.int(),
  numPendingTests: z.int(),
  numRuntimeErrorTestSuites: z.int(),
});

interface Tally {
  passed: number;
  failed: number;
  skipped: number;
}

const directory = await mkdtemp(join(tmpdir(), 'lifeboat-test-'));
const secretsFile = join(directory, 'planted-secrets.json');
const output = await CapturedOutput.open(join(directory, 'output'));
const tally: Tally = { passed: 0, failed: 0, skipped: 0 };
try {
  for (const check of CHECKS) await runCheck(check);
  await ensureBinaries((line) => {
    output.print(line);
  });
  await runJest(['unit', 'workflow', 'stack', 'contract'], ['--maxWorkers=2']);
  const obstacle = await findObstacle();
  if (obstacle === undefined) {
    await runJest(['e2e'], ['--runInBand']);
    await searchForSecrets();
  } else {
    output.print(`end-to-end suites skipped: ${obstacle}`);
    tally[process.env['CI'] === 'true' ? 'failed' : 'skipped'] += 1;
  }
} catch (error) {
  output.print(`the run itself failed: ${error instanceof Error ? error.message : String(error)}`);
  tally.failed += 1;
} finally {
  await output.close();
  await rm(directory, { recursive: true });
}
const skipped = tally.skipped === 0 ? '' : `, ${tally.skipped} skipped`;
process.exitCode = tally.failed > 0 || tally.passed === 0 ? 1 : 0;
process.stdout.write(`${tally.passed} passed, ${tally.failed} failed${skipped}\n`);

async function runCheck(commandLine: string): Promise<void> {
  const [command = '', ...args] = commandLine.split(' ');
  const exitCode = await output.run(command, args);
  output.print(`${exitCode === 0 ? 'PASS' : 'FAIL'} ${commandLine}`);
  tally[exitCode === 0 ? 'passed' : 'failed'] += 1;
}

async function runJest(projects: readonly string[], options: readonly string[]): Promise<void> {
  const resultFile = join(directory, `${projects.join('-')}.json`);
  const args = ['--selectProjects', ...projects, ...options, '--json', `--outputFile=${resultFile}`];
  const exitCode = await output.run('jest', args, {
    NODE_OPTIONS: '--experimental-vm-modules --disable-warning=ExperimentalWarning',
    LIFEBOAT_PLANTED_SECRETS: secretsFile,
  });
  const result = jestResultSchema.parse(JSON.parse(await readFile(resultFile, 'utf8')));
  tally.passed += result.numPassedTests;
  tally.skipped += result.numPendingTests;
  const failed = result.numFailedTests + result.numRuntimeErrorTestSuites;
  // A suite that could not be loaded, or a bed that could not be torn down, shows in the exit code alone.
  tally.failed += failed === 0 && exitCode !== 0 ? 1 : failed;
}

/** Fails on any planted secret in what the suites printed, and when there was nothing planted to look for. */
async function searchForSecrets(): Promise<void> {
  const secrets = await readPlantedSecrets(secretsFile);
  const text = await output.text();
  const leaks = findLeaks(text, secrets);
  const passed = secrets.length > 0 && leaks.length === 0;
  output.print(
    `${passed ? 'PASS' : 'FAIL'} ${secrets.length} planted secrets looked for in ${text.length} characters of output`,
  );
  for (const leak of leaks) output.print(`  leaked: ${leak}`);
  tally[passed ? 'passed' : 'failed'] += 1;
}
