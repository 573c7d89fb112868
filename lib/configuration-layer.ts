import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Stage } from 'aws-cdk-lib';
import { Code, LayerVersion } from 'aws-cdk-lib/aws-lambda';
import type { Construct } from 'constructs';
import type { Configuration } from '../lambdas/domain/configuration.ts';

const FILE = 'lifeboat/configuration.json';

/** Where the functions find the configuration: Lambda unpacks layers below `/opt`. */
export const CONFIGURATION_FILE = `/opt/${FILE}`;

/** The checked `lifeboat.yaml` as JSON for all functions; the same configuration gives the same bytes. */
export class ConfigurationLayer extends LayerVersion {
  constructor(scope: Construct, id: string, configuration: Configuration) {
    const stage = Stage.of(scope);
    if (stage === undefined) throw new Error('the configuration needs an app to lie in');
    const directory = join(stage.outdir, `configuration-${scope.node.addr}`);
    mkdirSync(join(directory, 'lifeboat'), { recursive: true });
    writeFileSync(join(directory, FILE), JSON.stringify(configuration, sortKeys, 2));
    super(scope, id, { code: Code.fromAsset(directory), description: 'The configuration of Lifeboat' });
  }
}

function sortKeys(_: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}
