/**
 * `npm test`: static checks, then suites without a bed, and beside them the end-to-end suites in lanes on the test bed; a search
 * of all they printed for planted secrets; a table of the slowest suites. `npm run test:whole` leaves nothing out, and also deploys.
 * The last line is plain `N passed, N failed[, N skipped]`; the exit code is 1 on any failure and when nothing ran.
 */
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as z from 'zod';
import { ALONE, DISRUPTIVE, sideBySide, suitePath } from './e2e/lanes.ts';
import { CapturedOutput } from './suite/captured-output.ts';
import { bundlePrograms } from './suite/programs.ts';
import { isWhole } from './suite/extent.ts';
import { findLeaks, readPlantedSecrets } from './suite/planted-secrets.ts';
import { slowestSuites, type SuiteTime } from './suite/slowest-suites.ts';
import { ensureBinaries } from './testbed/binaries.ts';
import { findObstacle } from './testbed/prerequisites.ts';

const ROOT = join(import.meta.dirname, '..');
/** Two lists that run at the same time, as long as each other. */
const CHECKS = [['eslint --max-warnings 0 .'], ['tsc --noEmit', 'prettier --check --log-level warn .', 'knip']];
/** Suites mostly wait for clusters: two cores carry so many beside the one of the disruptive lane. */
const WORKERS_SIDE_BY_SIDE = 3;

const jestResultSchema = z.object({
  numPassedTests: z.int(),
  numFailedTests: z.int(),
  numPendingTests: z.int(),
  numRuntimeErrorTestSuites: z.int(),
  testResults: z.array(z.object({ name: z.string(), startTime: z.number(), endTime: z.number() })),
});

interface Tally {
  passed: number;
  failed: number;
  skipped: number;
}

const directory = await mkdtemp(join(tmpdir(), 'lifeboat-test-'));
const secretsDirectory = join(directory, 'planted-secrets');
const output = await CapturedOutput.open(join(directory, 'output'));
const tally: Tally = { passed: 0, failed: 0, skipped: 0 };
const times: SuiteTime[] = [];
try {
  bundlePrograms();
  const obstacle = await findObstacle();
  const binaries = ensureBinaries((line) => {
    output.print(line);
  });
  await allEnded([runWithoutBed(binaries), ...(obstacle === undefined ? [runOnBeds(binaries)] : [])]);
  if (obstacle === undefined) {
    if (isWhole) await runJest('deployed', ['--selectProjects', 'deployed'], { LIFEBOAT_E2E_LANE: 'deployed' });
    await searchForSecrets();
  } else {
    output.print(`end-to-end suites skipped: ${obstacle}`);
    tally[process.env['CI'] === 'true' ? 'failed' : 'skipped'] += 1;
  }
  for (const line of slowestSuites(times, ROOT)) output.print(line);
} catch (error) {
  output.print(`the run itself failed: ${error instanceof Error ? error.message : String(error)}`);
  tally.failed += 1;
} finally {
  await output.close();
  // What a suite that was killed has mounted in there cannot be removed: that suite has failed, and this must not hide it.
  await rm(directory, { recursive: true }).catch((error: unknown) => {
    process.stdout.write(`${directory} is left: ${String(error)}\n`);
  });
}
const skipped = tally.skipped === 0 ? '' : `, ${tally.skipped} skipped`;
process.exitCode = tally.failed > 0 || tally.passed === 0 ? 1 : 0;
process.stdout.write(`${tally.passed} passed, ${tally.failed} failed${skipped}\n`);

/** Waits for all, also when one fails: what runs on would write into what is being removed. */
async function allEnded(works: readonly Promise<void>[]): Promise<void> {
  const failed = (await Promise.allSettled(works)).find((work) => work.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}

/** What computes comes first, while the beds come up; what waits for servers runs beside what waits for clusters. */
async function runWithoutBed(binaries: Promise<unknown>): Promise<void> {
  await allEnded(CHECKS.map(runChecks));
  await runJest('quick', ['--selectProjects', 'unit', 'stack', '--maxWorkers=2']);
  await binaries;
  await runJest('servers', ['--selectProjects', 'workflow', 'contract', '--maxWorkers=2']);
}

/** The lanes of the end-to-end suites. */
async function runOnBeds(binaries: Promise<unknown>): Promise<void> {
  await binaries;
  await runEndToEnd('alone', ALONE, ['--runInBand']);
  await allEnded([
    runEndToEnd(undefined, sideBySide(), [`--maxWorkers=${WORKERS_SIDE_BY_SIDE}`]),
    runEndToEnd('disruptive', DISRUPTIVE, ['--runInBand']),
  ]);
}

async function runChecks(commandLines: readonly string[]): Promise<void> {
  for (const commandLine of commandLines) {
    const [command = '', ...args] = commandLine.split(' ');
    const exitCode = await output.run(command, args);
    output.print(`${exitCode === 0 ? 'PASS' : 'FAIL'} ${commandLine}`);
    tally[exitCode === 0 ? 'passed' : 'failed'] += 1;
  }
}

/** Runs end-to-end suites as a lane; `undefined` is the one whose suites run side by side. */
async function runEndToEnd(
  lane: 'disruptive' | 'alone' | undefined,
  suites: readonly string[],
  options: readonly string[],
): Promise<void> {
  const name = lane ?? 'side-by-side';
  // Its own, for some look at what is left in there.
  const temporary = join(directory, name);
  await mkdir(temporary);
  const order = `--testSequencer=${join(ROOT, 'test/e2e/longest-first.ts')}`;
  const args = ['--selectProjects', 'e2e', ...options, order, '--runTestsByPath', ...suites.map(suitePath)];
  await runJest(name, args, { TMPDIR: temporary, ...(lane === undefined ? {} : { LIFEBOAT_E2E_LANE: lane }) });
}

async function runJest(name: string, args: readonly string[], environment: NodeJS.ProcessEnv = {}): Promise<void> {
  const resultFile = join(directory, `${name}.json`);
  const exitCode = await output.run('jest', [...args, '--json', `--outputFile=${resultFile}`], {
    NODE_OPTIONS: '--experimental-vm-modules --disable-warning=ExperimentalWarning',
    LIFEBOAT_PLANTED_SECRETS: secretsDirectory,
    ...environment,
  });
  const result = jestResultSchema.parse(JSON.parse(await readFile(resultFile, 'utf8')));
  tally.passed += result.numPassedTests;
  tally.skipped += result.numPendingTests;
  const failed = result.numFailedTests + result.numRuntimeErrorTestSuites;
  // A suite that could not be loaded, or a bed that could not be torn down, shows in the exit code alone.
  tally.failed += failed === 0 && exitCode !== 0 ? 1 : failed;
  for (const { name: path, startTime, endTime } of result.testResults)
    times.push({ path, milliseconds: endTime - startTime });
}

/** Fails on any planted secret in what the suites printed, and when there was nothing planted to look for. */
async function searchForSecrets(): Promise<void> {
  const secrets = await readPlantedSecrets(secretsDirectory);
  const text = await output.text();
  const leaks = findLeaks(text, secrets);
  const passed = secrets.length > 0 && leaks.length === 0;
  output.print(
    `${passed ? 'PASS' : 'FAIL'} ${secrets.length} planted secrets looked for in ${text.length} characters of output`,
  );
  for (const leak of leaks) output.print(`  leaked: ${leak}`);
  tally[passed ? 'passed' : 'failed'] += 1;
}
