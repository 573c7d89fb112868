/** `npm run limits`: what large configurations take of AWS's limits, into `docs/evidence.md`. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { App } from 'aws-cdk-lib';
import * as z from 'zod';
import { configurationSchema } from '../../lambdas/domain/configuration.ts';
import { bundleFunctions } from '../bundles.ts';
import { deploymentOf } from '../deployable.ts';
import { markdownTable } from '../documents/markdown.ts';
import { recordEvidence } from '../documents/pages.ts';
import { LifeboatStack } from '../lifeboat-stack.ts';
import { largeConfiguration, SIZES } from './large-configurations.ts';
import { LIMITS } from './limits.ts';
import { readTemplate, type DeployableTemplate } from './template.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const { context } = z
  .object({ context: z.record(z.string(), z.unknown()) })
  .parse(JSON.parse(readFileSync(join(ROOT, 'cdk.json'), 'utf8')));

const directory = mkdtempSync(join(tmpdir(), 'lifeboat-limits-'));
try {
  const { directories: bundles } = bundleFunctions(join(directory, 'functions'));
  const templates = SIZES.map((size, index) => synthesize(size, join(directory, `cdk.out-${index}`), bundles));
  const head = SIZES.map(
    ({ managementClusters, policies }) =>
      `${number(managementClusters)} management clusters, ${policies === 1 ? '1 policy' : `${policies} policies`}`,
  );
  const rows = LIMITS.map(({ what, allowed, measure }) => [
    what,
    number(allowed),
    ...templates.map((template) => number(measure(template))),
  ]);
  const section = markdownTable(['limit of AWS', 'allowed', ...head], rows);
  process.stdout.write(`${section}\n`);
  await recordEvidence('npm run limits', section);
} finally {
  rmSync(directory, { recursive: true });
}

function synthesize(
  size: (typeof SIZES)[number],
  outdir: string,
  bundles: Readonly<Record<string, string>>,
): DeployableTemplate {
  const configuration = configurationSchema.parse({
    store: './recovery-points',
    aws: { alarms: { email: 'on-call@example.com' } },
    ...largeConfiguration(size),
  });
  const deployment = deploymentOf(configuration);
  const app = new App({ outdir, context, analyticsReporting: false });
  new LifeboatStack(app, { configuration, deployment, bundles });
  app.synth();
  return readTemplate(outdir, deployment.stackName);
}

function number(value: number): string {
  return value.toLocaleString('en');
}
