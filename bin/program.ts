import process, { stderr, stdout } from 'node:process';
import { Command, CommanderError } from 'commander';
import { backup } from './commands/backup.ts';
import { discover } from './commands/discover.ts';
import { exportSnapshot, type ExportOptions } from './commands/export.ts';
import { list } from './commands/list.ts';
import { pin } from './commands/pin.ts';
import { prune, type PruneOptions } from './commands/prune.ts';
import type { RunOptions } from './commands/run.ts';
import type { CommandResult } from './commands/result.ts';
import { show } from './commands/show.ts';
import { status } from './commands/status.ts';
import { verify, type VerifyOptions } from './commands/verify.ts';
import { loadConfiguration } from './local/configuration-file.ts';
import { openPorts, toolVersion, type Ports } from './local/ports.ts';
import { describeError, errorAsJson, EXIT, exitCodeFor } from './output/exit-codes.ts';
import { progressPrinter } from './output/progress.ts';

interface GlobalOptions {
  readonly config?: string;
  readonly json: boolean;
}

/** Runs one command line and sets the exit code; the result goes to standard output, progress and errors to standard error. */
export async function main(argv: readonly string[]): Promise<void> {
  const program = buildProgram();
  try {
    await program.parseAsync(argv);
  } catch (error) {
    if (error instanceof CommanderError) {
      // Commander has printed what is wrong, or the help that was asked for.
      process.exitCode = error.exitCode === 0 ? EXIT.done : EXIT.wrong;
      return;
    }
    reportError(error, program.opts<GlobalOptions>().json);
  }
}

function buildProgram(): Command {
  const program = new Command('lifeboat')
    .description('Backs up, restores and migrates hosted control planes of Kubernetes from outside.')
    .version(toolVersion())
    .option('--config <file>', 'configuration (default: lifeboat.yaml, from the working directory upward)')
    .option('--json', 'print the result as one JSON document', false)
    .showHelpAfterError('(--help shows what is possible)')
    .exitOverride();

  program
    .command('discover')
    .description('list the control planes of every configured management cluster')
    .action(() => run(program, discover));
  program
    .command('backup')
    .description('take a recovery point and prove it')
    .argument('<control plane>', '<management cluster>/<namespace>/<name>')
    .action((controlPlane: string) => run(program, (ports) => backup(ports, controlPlane)));
  program
    .command('list')
    .description('list recovery points, newest first')
    .argument('[control plane]', 'only those of <management cluster>/<namespace>/<name>')
    .action((controlPlane: string | undefined) => run(program, (ports) => list(ports, controlPlane)));
  program
    .command('show')
    .description('show all that is known about a recovery point')
    .argument('<point>', '<id> or <control plane>/<id>')
    .action((point: string) => run(program, (ports) => show(ports, point)));
  program
    .command('verify')
    .description('read a recovery point back, walk every page, and record the proofs')
    .argument('<point>', '<id> or <control plane>/<id>')
    .option('--live', 'also compare with the live members, while they still serve that revision', false)
    .action((point: string, options: VerifyOptions) => run(program, (ports) => verify(ports, point, options)));
  program
    .command('export')
    .description('write the plain etcd file, for etcdutl')
    .argument('<point>', '<id> or <control plane>/<id>')
    .requiredOption('--to <file>', 'where to write it')
    .option('--datastore <name>', 'which one, where the control plane has several')
    .option('--force', 'replace the file when it exists', false)
    .action((point: string, options: ExportOptions) => run(program, (ports) => exportSnapshot(ports, point, options)));
  program
    .command('run')
    .description('back up, verify and prune all that a policy selects')
    .argument('<policy>', 'its name in the configuration')
    .option('--slot <time>', 'the time it is scheduled for; the same one again adds nothing (default: now)')
    .action((policy: string, options: RunOptions) =>
      run(program, async (ports) => {
        // Only here, for the other commands have no use for the engine.
        const { runPolicy } = await import('./commands/run.ts');
        return await runPolicy(ports, policy, options);
      }),
    );
  program
    .command('prune')
    .description('delete what the retention of a policy no longer keeps')
    .argument('<policy>', 'its name in the configuration')
    .option('--dry-run', 'say what would be deleted, and why the rest is kept', false)
    .action((policy: string, options: PruneOptions) => run(program, (ports) => prune(ports, policy, options)));
  for (const [name, description, pinned] of [
    ['pin', 'keep a recovery point from retention', true],
    ['unpin', 'give a recovery point back to retention', false],
  ] as const) {
    program
      .command(name)
      .description(description)
      .argument('<point>', '<id> or <control plane>/<id>')
      .action((point: string) => run(program, (ports) => pin(ports, point, pinned)));
  }
  program
    .command('status')
    .description('show the age of the newest verified recovery point of every control plane')
    .action(() => run(program, status));
  return program;
}

async function run(program: Command, command: (ports: Ports) => Promise<CommandResult>): Promise<void> {
  const { config, json } = program.opts<GlobalOptions>();
  const interrupted = new AbortController();
  const interrupt = () => {
    interrupted.abort(new InterruptedError());
  };
  process.once('SIGINT', interrupt).once('SIGTERM', interrupt);
  let ports: Ports | undefined;
  try {
    const report = progressPrinter(stderr, () => performance.now());
    ports = await openPorts(loadConfiguration(config, process.cwd()), report, interrupted.signal);
    const result = await command(ports);
    stdout.write(json ? `${JSON.stringify(result.json, undefined, 2)}\n` : `${result.text}\n`);
    process.exitCode = result.exitCode ?? EXIT.done;
  } catch (error) {
    if (!interrupted.signal.aborted) throw error;
    stderr.write('error: interrupted; what was begun has been undone\n');
    process.exitCode = EXIT.interrupted;
  } finally {
    process.off('SIGINT', interrupt).off('SIGTERM', interrupt);
    ports?.close();
  }
}

class InterruptedError extends Error {
  override readonly name = 'InterruptedError';
}

function reportError(error: unknown, json: boolean): void {
  process.exitCode = exitCodeFor(error);
  if (json) stdout.write(`${JSON.stringify(errorAsJson(error), undefined, 2)}\n`);
  else stderr.write(`${describeError(error)}\n`);
}
