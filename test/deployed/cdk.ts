import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { capture } from '../suite/captured-output.ts';
import { requireCommand } from '../testbed/command.ts';
import { DEPLOYER } from './cloud.ts';
import { ACCOUNT, REGION } from './localstack.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const PROGRAMS = join(ROOT, 'node_modules', '.bin');
const TIMEOUT_SECONDS = 420;

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

  async bootstrap(): Promise<void> {
    await this.#run(['bootstrap', `aws://${ACCOUNT}/${REGION}`]);
  }

  /** Deploys what `lifeboat.yaml` says, and gives the outputs of the stack. */
  async deploy(stackName: string): Promise<Readonly<Record<string, string>>> {
    const file = join(this.#directory, 'outputs.json');
    await this.#run(['deploy', '--require-approval', 'never', '--outputs-file', file]);
    return outputsSchema.parse(JSON.parse(await readFile(file, 'utf8')))[stackName] ?? {};
  }

  async destroy(): Promise<void> {
    await this.#run(['destroy', '--force']);
  }

  async #run(args: readonly string[]): Promise<void> {
    const configuration = ['-c', `lifeboat:config=${join(this.#directory, 'lifeboat.yaml')}`];
    const output = ['--output', join(this.#directory, 'cdk.out'), '--no-notices', '--no-color'];
    const printed = await requireCommand(join(PROGRAMS, 'cdk'), [...args, ...configuration, ...output], {
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
