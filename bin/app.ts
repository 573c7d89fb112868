/** The CDK app: `npx cdk synth`, `npx cdk deploy`, with `-c lifeboat:config=<file>` for another lifeboat.yaml. */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Annotations, App, Validations } from 'aws-cdk-lib';
import { AwsSolutionsChecks } from 'cdk-nag';
import * as z from 'zod';
import { LifeboatError } from '../lambdas/domain/errors.ts';
import { bundleFunctions } from '../lib/bundles.ts';
import { deploymentOf } from '../lib/deployable.ts';
import { LifeboatStack } from '../lib/lifeboat-stack.ts';
import { loadConfiguration } from './local/configuration-file.ts';

const EXAMPLE = join(import.meta.dirname, '..', 'lib', 'example.lifeboat.yaml');

try {
  const app = new App();
  const given = z.string().optional().parse(app.node.tryGetContext('lifeboat:config'));
  const isExample = given === undefined && !isConfigured(process.cwd());
  const { configuration } = loadConfiguration(isExample ? EXAMPLE : given, process.cwd());
  const deployment = deploymentOf(configuration);
  const { directories } = bundleFunctions(join(app.outdir, 'functions'));
  const stack = new LifeboatStack(app, { configuration, deployment, bundles: directories });
  if (isExample) {
    Annotations.of(stack).addInfo(`There is no lifeboat.yaml here or above: this is ${EXAMPLE}.`);
  }
  Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
} catch (error) {
  if (!(error instanceof LifeboatError)) throw error;
  console.error(`${error.message}\n${error.remedy ?? ''}`);
  process.exitCode = 2;
}

/** Whether `loadConfiguration` will find a file of the user's own. */
function isConfigured(directory: string): boolean {
  const parent = dirname(directory);
  return existsSync(join(directory, 'lifeboat.yaml')) || (parent !== directory && isConfigured(parent));
}
