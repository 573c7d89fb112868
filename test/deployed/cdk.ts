import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { capture } from '../suite/captured-output.ts';
import { requireCommand } from '../testbed/command.ts';
import { DEPLOYER } from './cloud.ts';
import { ACCOUNT, REGION } from './localstack.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const PROGRAMS = join(ROOT, 'node_modules', '.bin');
/** A deployment takes half a minute on a machine that does nothing else, and ten where others work. */
const TIMEOUT_SECONDS = 840;

const outputsSchema = z.record(z.string(), z.record(z.string(), z.string()));

/** The CDK's command line, as a person in a clone calls it with `npx cdk`. */
export class Cdk {
  readonly #endpoint: string;
  readonly #directory: string;

  /** What it writes goes into the directory, where `lifeboat.yaml` lies. */
  constructor(endpoint: string, directory: string) {
    this.#endpoint = endpoint;
    this.#directory = directory;
  }

  /** Prepares the account. Away from the application, which has no part in it. */
  async bootstrap(): Promise<void> {
    await this.#run(this.#directory, ['bootstrap', `aws://${ACCOUNT}/${REGION}`]);
  }

  /** Deploys what `lifeboat.yaml` says, and gives the outputs of the stack. */
  async deploy(stackName: string): Promise<Readonly<Record<string, string>>> {
    const file = join(this.#directory, 'outputs.json');
    await this.#runApp(['deploy', '--require-approval', 'never', '--outputs-file', file]);
    return outputsSchema.parse(JSON.parse(await readFile(file, 'utf8')))[stackName] ?? {};
  }

  async destroy(): Promise<void> {
    await this.#runApp(['destroy', '--force']);
  }

  async #runApp(args: readonly string[]): Promise<void> {
    const configuration = ['-c', `lifeboat:config=${join(this.#directory, 'lifeboat.yaml')}`];
    await this.#run(ROOT, [...args, ...configuration, '--output', join(this.#directory, 'cdk.out')]);
  }

  async #run(directory: string, args: readonly string[]): Promise<void> {
    const command = ['--chdir', directory, join(PROGRAMS, 'cdk'), ...args, '--no-notices', '--no-color'];
    const printed = await requireCommand('env', command, {
      timeoutSeconds: TIMEOUT_SECONDS,
      env: {
        ...process.env,
        ...DEPLOYER,
        PATH: `${PROGRAMS}:${process.env['PATH'] ?? ''}`,
        NODE_OPTIONS: '',
        // What it remembers of accounts is of this one alone.
        HOME: this.#directory,
        CI: 'true',
        CDK_DISABLE_CLI_TELEMETRY: 'true',
        AWS_ENDPOINT_URL: this.#endpoint,
        AWS_REGION: REGION,
        AWS_EC2_METADATA_DISABLED: 'true',
      },
    });
    await capture(printed);
  }
}
