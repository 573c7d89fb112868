import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { App } from 'aws-cdk-lib';
import type { CloudFormationStackArtifact } from 'aws-cdk-lib/cx-api';
import * as z from 'zod';
import type { Configuration } from '../lambdas/domain/configuration.ts';
import { deploymentOf } from './deployable.ts';
import { LifeboatStack } from './lifeboat-stack.ts';

const contextSchema = z.object({ context: z.record(z.string(), z.unknown()) });

export interface SynthesisOptions {
  readonly configuration: Configuration;
  /** The directory of each function's code, by its name. */
  readonly bundles: Readonly<Record<string, string>>;
  /** Gets the template and its assets. */
  readonly outdir: string;
}

/** Makes the template of a configuration as `cdk synth` does, with the context of `cdk.json`. */
export function synthesize({ configuration, bundles, outdir }: SynthesisOptions): {
  readonly app: App;
  readonly artifact: CloudFormationStackArtifact;
} {
  const { context } = contextSchema.parse(JSON.parse(readFileSync(join(import.meta.dirname, '../cdk.json'), 'utf8')));
  const app = new App({ outdir, context, analyticsReporting: false });
  const stack = new LifeboatStack(app, { configuration, deployment: deploymentOf(configuration), bundles });
  return { app, artifact: app.synth().getStackArtifact(stack.artifactId) };
}
