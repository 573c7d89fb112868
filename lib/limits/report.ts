/** `npm run limits`: what large configurations take of AWS's limits, into `docs/evidence.md`. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { configurationSchema } from '../../lambdas/domain/configuration.ts';
import { bundleFunctions } from '../bundles.ts';
import { markdownTable } from '../documents/markdown.ts';
import { recordEvidence } from '../documents/pages.ts';
import { synthesize } from '../synthesis.ts';
import { largeConfiguration, SIZES } from './large-configurations.ts';
import { LIMITS } from './limits.ts';
import { readTemplate, type DeployableTemplate } from './template.ts';

const directory = mkdtempSync(join(tmpdir(), 'lifeboat-limits-'));
try {
  const { directories: bundles } = bundleFunctions(join(directory, 'functions'));
  const templates = SIZES.map((size) => templateOf(size, bundles));
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

function templateOf(size: (typeof SIZES)[number], bundles: Readonly<Record<string, string>>): DeployableTemplate {
  const configuration = configurationSchema.parse({
    store: './recovery-points',
    aws: { alarms: { email: 'on-call@example.com' } },
    ...largeConfiguration(size),
  });
  const outdir = mkdtempSync(join(directory, 'cdk.out-'));
  const { artifact } = synthesize({ configuration, bundles, outdir });
  return readTemplate(outdir, artifact.stackName);
}

function number(value: number): string {
  return value.toLocaleString('en');
}
