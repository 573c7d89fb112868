import process, { stderr, stdout } from 'node:process';
import { Argument, Command, CommanderError, Option } from 'commander';
import type { AbandonOptions } from './commands/abandon.ts';
import { backup } from './commands/backup.ts';
import { discover } from './commands/discover.ts';
import { enroll, ENROLL_PURPOSES, type EnrollOptions } from './commands/enroll.ts';
import { dismiss } from './commands/dismiss.ts';
import { exportSnapshot, type ExportOptions } from './commands/export.ts';
import { list } from './commands/list.ts';
import { operation, operations } from './commands/operations.ts';
import { pin } from './commands/pin.ts';
import { prune, type PruneOptions } from './commands/prune.ts';
import type { RestoreOptions } from './commands/restore.ts';
import type { RunOptions } from './commands/run.ts';
import type { CommandResult } from './commands/result.ts';
import { schema, SCHEMAS, type SchemaName } from './commands/schema.ts';
import { show } from './commands/show.ts';
import { stage, type StageOptions } from './commands/stage.ts';
import { status } from './commands/status.ts';
import { verify, type VerifyOptions } from './commands/verify.ts';
import { ConfigurationError } from '../lambdas/domain/errors.ts';
import type { ReportProgress } from '../lambdas/domain/progress.ts';
import type { Purpose } from '../lambdas/domain/purpose.ts';
import { tellSilence } from '../lambdas/domain/silence.ts';
import { loadConfiguration } from './local/configuration-file.ts';
import { Interrupts } from './local/interrupts.ts';
import { openPorts, type Ports } from './local/ports.ts';
import { toolVersion } from './local/tool-version.ts';
import { describeError, errorDocument, EXIT, exitCodeFor, InterruptedError } from './output/exit-codes.ts';
import { progressPrinter } from './output/progress.ts';

interface GlobalOptions {
  readonly config?: string;
  readonly json: boolean;
  readonly verbose: boolean;
  /** The file that was read, for errors to name. */
  readonly configurationFile?: string;
}

const BACKUP_HELP = `
While another operation is at work on the control plane (a restore, the run of a policy, another backup, a prune), it does
not wait: it is refused at once with the name of that operation, what that does and until when, and exit code 1.`;

/** After an interruption of what is done at once or not at all. */
const AGAIN = 'run it again to be sure';

const SCHEMA_HELP = `
Editors check and complete lifeboat.yaml after
  lifeboat schema configuration > lifeboat.schema.json
with this as its first line:
  # yaml-language-server: $schema=./lifeboat.schema.json`;

/** Runs one command line and sets the exit code; the result goes to standard output, progress and errors to standard error. */
export async function main(argv: readonly string[]): Promise<void> {
  const json = argv.includes('--json');
  const program = buildProgram(json);
  try {
    await program.parseAsync(argv);
  } catch (error) {
    if (error instanceof CommanderError) {
      // Commander has printed what is wrong, or the help that was asked for.
      process.exitCode = error.exitCode === 0 ? EXIT.done : EXIT.wrong;
      if (error.exitCode !== 0 && json)
        reportError(new ConfigurationError(error.message.replace(/^error: /, '')), { json });
      return;
    }
    reportError(error, { ...program.opts<GlobalOptions>(), json });
  }
}

/** The command line with all its commands; nothing is run until it is given arguments. */
export function buildProgram(json = false): Command {
  const program = new Command('lifeboat')
    .description(
      'Backs up and restores hosted Kubernetes control planes (HyperShift), from outside the management cluster.',
    )
    .version(toolVersion())
    .option('--config <file>', 'configuration (default: lifeboat.yaml, from the working directory upward)')
    .option('--json', 'print the result as one JSON document', false)
    .option('--verbose', 'also print which configuration and which store are used', false)
    .showHelpAfterError('(--help shows what is possible)')
    .exitOverride()
    .configureOutput(json ? { writeErr: () => undefined } : {});

  program
    .command('discover')
    .description('list the control planes of every configured management cluster')
    .action(() => run(program, discover));
  program
    .command('backup')
    .description('take a recovery point and prove it')
    .argument('<control plane>', '<management cluster>/<namespace>/<name>')
    .addHelpText('after', BACKUP_HELP)
    .action((controlPlane: string) =>
      run(
        program,
        (ports) => backup(ports, controlPlane),
        'no recovery point was made; what was uploaded has been removed',
      ),
    );
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
    .action((point: string, options: VerifyOptions) =>
      run(program, (ports) => verify(ports, point, options), 'proofs that were recorded stay'),
    );
  program
    .command('export')
    .description('write the plain etcd file, for etcdutl')
    .argument('<point>', '<id> or <control plane>/<id>')
    .requiredOption('--to <file>', 'where to write it')
    .option('--datastore <name>', 'which one, where the control plane has several')
    .option('--force', 'replace the file when it exists', false)
    .action((point: string, options: ExportOptions) =>
      run(program, (ports) => exportSnapshot(ports, point, options), 'the unfinished file has been removed'),
    );
  program
    .command('run')
    .description('back up, verify and prune all that a policy selects')
    .argument('<policy>', 'its name in the configuration')
    .option(
      '--slot <time>',
      'the scheduled time of the run; the same one again tries only what is not verified yet (default: now)',
    )
    .action((policy: string, options: RunOptions) =>
      run(
        program,
        async (ports) => {
          // Only here, for the other commands have no use for the engine.
          const { runPolicy } = await import('./commands/run.ts');
          return await runPolicy(ports, policy, options);
        },
        'recovery points that are verified stay; run the same --slot again for the rest',
      ),
    );
  program
    .command('prune')
    .description('delete the recovery points that the retention of a policy no longer keeps')
    .argument('<policy>', 'its name in the configuration')
    .option('--dry-run', 'say what would be deleted, and why the rest is kept', false)
    .action((policy: string, options: PruneOptions) =>
      run(program, (ports) => prune(ports, policy, options), 'what was deleted is gone; run it again for the rest'),
    );
  for (const [name, description, pinned] of [
    ['pin', 'protect a recovery point from retention', true],
    ['unpin', 'let retention delete a recovery point again', false],
  ] as const) {
    program
      .command(name)
      .description(description)
      .argument('<point>', '<id> or <control plane>/<id>')
      .action((point: string) => run(program, (ports) => pin(ports, point, pinned), AGAIN));
  }
  program
    .command('restore')
    .description('restore a control plane in place from a recovery point: shows the plan and asks first')
    .argument('<control plane>', '<management cluster>/<namespace>/<name>')
    .option('--point <id>', 'the recovery point to restore')
    .option('--latest-verified', 'the newest verified one', false)
    .option('--at <time>', 'the newest verified one at or before a time, e.g. 2026-01-02T03:04:05Z')
    .option('--dry-run', 'only print the plan; nothing is touched', false)
    .option('--yes', 'do not ask', false)
    .option('--accept-other-uid', 'accept a point of an earlier control plane of the same name', false)
    .option('--resume <operation>', 'continue a restore that was interrupted')
    .action((controlPlane: string, options: RestoreOptions) =>
      run(
        program,
        async (ports, interrupts) => {
          // Only here, for the other commands have no use for the engine.
          const { restore } = await import('./commands/restore.ts');
          return await restore(ports, controlPlane, options, interrupts);
        },
        'nothing was touched',
        'restore',
      ),
    );
  program
    .command('abandon')
    .description('give up a restore: put back what can be put back, and remove its pods, files, pause and lock')
    .argument('<operation>', 'its id, as "lifeboat operations" shows it')
    .option('--dry-run', 'only say how it would leave things', false)
    .option('--yes', 'do not ask', false)
    .action((id: string, options: AbandonOptions) =>
      run(
        program,
        async (ports) => {
          const { abandon } = await import('./commands/abandon.ts');
          return await abandon(ports, id, options);
        },
        `run it again: lifeboat abandon ${id}`,
        'restore',
      ),
    );
  program
    .command('stage')
    .description('print a pre-signed URL of the plain etcd file of a recovery point, to create a control plane from')
    .argument('<control plane>', '<management cluster>/<namespace>/<name>, whose recovery point it is')
    .option('--point <id>', 'the recovery point')
    .option('--latest-verified', 'the newest verified one', false)
    .option('--at <time>', 'the newest verified one at or before a time, e.g. 2026-01-02T03:04:05Z')
    .option('--datastore <name>', 'which one, where the control plane has several')
    .option('--hours <number>', 'how long the URL is good for; never longer than the credentials that sign it', '4')
    .option('--hosted-cluster <file>', 'the manifest of a HostedCluster that is going to be created')
    .option('--to <file>', 'where to write that manifest with restoreSnapshotURL in it')
    .option(
      '--etcd-init-forms-one-cluster',
      'for several members: I have checked that etcd-init of the release has ETCD_INITIAL_CLUSTER',
      false,
    )
    .option('--remove <operation>', 'remove what was staged before')
    .action((controlPlane: string, options: StageOptions) =>
      run(
        program,
        (ports) => stage(ports, controlPlane, options),
        options.remove === undefined ? 'what was staged has been removed' : AGAIN,
      ),
    );
  program
    .command('operations')
    .description('list restores')
    .action(() => run(program, operations));
  program
    .command('operation')
    .description('show the plan, the steps and the result of a restore')
    .argument('<operation>', 'its id')
    .action((id: string) => run(program, (ports) => operation(ports, id)));
  program
    .command('status')
    .description('show the age of the newest verified recovery point of every control plane, and all that is wrong')
    .action(() => run(program, status));
  program
    .command('dismiss')
    .description('stop reporting control planes as missing that are gone on purpose; their recovery points stay')
    .argument('<name...>', '<management cluster>/<namespace>/<name>, or a management cluster and all that was on it')
    .action((names: string[]) => run(program, (ports) => dismiss(ports, names), AGAIN));
  program
    .command('enroll')
    .description(
      'print the least rights (RBAC) for a management cluster, or create them with an account and its kubeconfig',
    )
    .argument('<management cluster>', 'its name in the configuration, which need not have it yet')
    .addOption(new Option('--for <purpose>', 'what it is for').choices(ENROLL_PURPOSES).default('backup'))
    .option('--namespace <name>', 'where its ServiceAccount lives', 'lifeboat')
    .option('--only-in <namespace...>', 'Roles in these namespaces instead of one for the whole cluster')
    .option('--apply', 'create them and a token, and check that all rules are effective', false)
    .option('--kubeconfig <file>', "an administrator's, for --apply (default: as configured)")
    .option('--to <file>', 'the new kubeconfig (default: <management cluster>-lifeboat-<purpose>.kubeconfig)')
    .option(
      '--secret [name]',
      'put it into Secrets Manager instead (default: lifeboat/management-clusters/<name>; for restore: lifeboat/restores/<name>)',
    )
    .option('--token-days <days>', 'how long the token is asked for', '90')
    .option('--force', 'replace the file when it exists', false)
    .action((managementCluster: string, options: EnrollOptions) => {
      const { config } = program.opts<GlobalOptions>();
      return runInterruptibly(program, 'run it again to finish what was begun', (signal) =>
        enroll({ config, signal }, managementCluster, options),
      );
    });
  program
    .command('schema')
    .description('print the JSON Schema of lifeboat.yaml, or of every event')
    .addArgument(new Argument('<what>').choices(SCHEMAS))
    .addHelpText('after', SCHEMA_HELP)
    .action((what: SchemaName) => {
      printResult(schema(what), program.opts<GlobalOptions>().json);
    });
  return program;
}

async function run(
  program: Command,
  command: (ports: Ports, interrupts: Interrupts) => Promise<CommandResult>,
  afterwards = 'nothing was changed',
  purpose: Purpose = 'backup',
): Promise<void> {
  const { config, verbose } = program.opts<GlobalOptions>();
  await runInterruptibly(program, afterwards, async (signal, interrupts, report) => {
    const loaded = loadConfiguration(config, process.cwd());
    program.setOptionValue('configurationFile', loaded.file);
    const ports = await openPorts(loaded, report, signal, purpose);
    if (verbose) report({ kind: 'note', text: `${loaded.file} is used, with the store ${ports.store.location}` });
    try {
      return await command(ports, interrupts);
    } finally {
      ports.close();
    }
  });
}

/**
 * Runs a command that ends in good order when it is interrupted; `afterwards` says what that means for the user. What is waited
 * for and is silent is told.
 */
async function runInterruptibly(
  program: Command,
  afterwards: string,
  command: (signal: AbortSignal, interrupts: Interrupts, report: ReportProgress) => Promise<CommandResult>,
): Promise<void> {
  const report = progressPrinter(stderr, () => performance.now());
  const interrupts = new Interrupts((sentence) => stderr.write(`${sentence}\n`));
  const { signal } = interrupts;
  try {
    printResult(
      await tellSilence(report, () => command(signal, interrupts, report)),
      program.opts<GlobalOptions>().json,
    );
  } catch (error) {
    if (!signal.aborted) throw error;
    // A command that has put things in order says itself how they stand.
    throw error instanceof InterruptedError && error !== signal.reason
      ? error
      : new InterruptedError(`interrupted; ${afterwards}`);
  } finally {
    interrupts.close();
  }
}

function printResult(result: CommandResult, json: boolean): void {
  stdout.write(json ? `${JSON.stringify(result.json, undefined, 2)}\n` : `${result.text}\n`);
  process.exitCode = result.exitCode ?? EXIT.done;
}

/** Where everything that is no result goes; with `--json` as the last line there, which progress may precede. */
function reportError(
  error: unknown,
  { json, configurationFile }: Pick<GlobalOptions, 'json' | 'configurationFile'>,
): void {
  process.exitCode = exitCodeFor(error);
  stderr.write(`${json ? errorDocument(error, configurationFile) : describeError(error, configurationFile)}\n`);
}
