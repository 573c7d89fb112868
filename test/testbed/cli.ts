import { Command, InvalidArgumentError, Option } from 'commander';
import { LifeboatError } from '../../lambdas/domain/errors.ts';
import { attachBed, DEFAULT_INSTANCE, downBed, upBed, type Bed, type ClusterCount } from './bed.ts';
import {
  describeHostedClusters,
  hostedClusterOptions,
  upHostedCluster,
  type HostedClusterChoice,
} from './hypershift/hosted-cluster-option.ts';
import { createReport } from './progress.ts';

const print = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

function parseClusterCount(text: string): ClusterCount {
  if (text === '1') return 1;
  if (text === '2') return 2;
  throw new InvalidArgumentError('A bed has 1 or 2 management clusters.');
}

function describeBed({ instance, clusters, s3 }: Bed): string[] {
  return [
    `Bed "${instance}":`,
    ...clusters.map(({ name, kubeconfigPath }) => `  ${name}: export KUBECONFIG=${kubeconfigPath}`),
    `  kubectl of the same version: ${clusters[0].kubectlPath}`,
    `  S3: ${s3.endpoint}, region ${s3.region}, path-style addressing; credentials:`,
    `    export AWS_ACCESS_KEY_ID=${s3.accessKeyId} AWS_SECRET_ACCESS_KEY=${s3.secretAccessKey}`,
    `  End it: npm run testbed -- down${instance === DEFAULT_INSTANCE ? '' : ` --instance ${instance}`}`,
  ];
}

const instanceOption = (): Option => new Option('--instance <name>', 'name of the bed').default(DEFAULT_INSTANCE);

interface InstanceOptions {
  readonly instance: string;
}

interface UpCommandOptions extends InstanceOptions, HostedClusterChoice {
  readonly clusters: ClusterCount;
}

async function up({ instance, clusters, ...choice }: UpCommandOptions): Promise<void> {
  const report = createReport(print);
  const bed = await upBed({ instance, clusters, report });
  const hostedCluster = await upHostedCluster(bed.clusters[0], choice, report);
  for (const line of [...describeBed(bed), ...hostedCluster]) print(line);
}

async function down({ instance }: InstanceOptions): Promise<void> {
  if (!(await downBed(instance, createReport(print)))) print(`No bed "${instance}" is there`);
}

/** Prints what runs; the exit code is 1 when something that should does not. */
async function status({ instance }: InstanceOptions): Promise<void> {
  const bed = await attachBed(instance);
  for (const line of describeBed(bed)) print(line);
  for (const line of (await Promise.all(bed.clusters.map(describeHostedClusters))).flat()) print(line);
  const faults = (await Promise.all(bed.clusters.map((cluster) => cluster.findFaults()))).flat();
  if (!(await bed.s3.isRunning())) faults.push('S3 does not run');
  for (const fault of faults) print(`  FAULT: ${fault}`);
  if (faults.length === 0) print('  Everything runs.');
  else process.exitCode = 1;
}

const program = new Command('npm run testbed --')
  .description('Real management clusters and an S3 on this machine, for tests and for trying things out.')
  .showHelpAfterError();

const upCommand = program
  .command('up')
  .description('start a bed, or what of it does not run')
  .addOption(new Option('--clusters <number>', 'management clusters: 1 or 2').argParser(parseClusterCount).default(1))
  .addOption(instanceOption())
  .action(up);
for (const option of hostedClusterOptions()) upCommand.addOption(option);
program.command('down').description('end a bed and remove all of it').addOption(instanceOption()).action(down);
program.command('status').description('say what runs and how to use it').addOption(instanceOption()).action(status);

try {
  await program.parseAsync();
} catch (error) {
  if (!(error instanceof LifeboatError)) throw error;
  process.stderr.write(`${error.message}\n${error.remedy === undefined ? '' : `${error.remedy}\n`}`);
  process.exitCode = 1;
}
