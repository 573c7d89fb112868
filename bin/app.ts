/** The CDK app: `npx cdk synth`, `npx cdk deploy`, with `-c lifeboat:config=<file>` for another lifeboat.yaml. */
import { join } from 'node:path';
import { App, Validations } from 'aws-cdk-lib';
import { AwsSolutionsChecks } from 'cdk-nag';
import * as z from 'zod';
import { LifeboatError } from '../lambdas/domain/errors.ts';
import { bundleFunctions } from '../lib/bundles.ts';
import { deploymentOf } from '../lib/deployable.ts';
import { LifeboatStack } from '../lib/lifeboat-stack.ts';
import { makeReadable } from '../lib/readable-files.ts';
import { loadConfiguration } from './local/configuration-file.ts';

const HOW_TO_GIVE = '-c lifeboat:config=<file>; -c lifeboat:config=lib/example.lifeboat.yaml shows an example';

try {
  const app = new App();
  const given = z.string().optional().parse(app.node.tryGetContext('lifeboat:config'));
  const { configuration } = loadConfiguration(given, process.cwd(), HOW_TO_GIVE);
  const deployment = deploymentOf(configuration);
  const { directories } = bundleFunctions(join(app.outdir, 'functions'));
  new LifeboatStack(app, { configuration, deployment, bundles: directories });
  Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
  makeReadable(app.synth().directory);
} catch (error) {
  if (!(error instanceof LifeboatError)) throw error;
  console.error(`${error.message}\n${error.remedy ?? ''}`);
  process.exitCode = 2;
}
