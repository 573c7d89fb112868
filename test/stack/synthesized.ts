import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll } from '@jest/globals';
import type { App } from 'aws-cdk-lib';
import { AwsSolutionsChecks } from 'cdk-nag';
import * as z from 'zod';
import { configurationSchema } from '../../lambdas/domain/configuration.ts';
import { synthesize as synthesizeStack } from '../../lib/synthesis.ts';

const ROOT = join(import.meta.dirname, '..', '..');

const resourceSchema = z.object({
  Type: z.string(),
  Properties: z.record(z.string(), z.unknown()).default({}),
  DeletionPolicy: z.string().optional(),
  UpdateReplacePolicy: z.string().optional(),
  DependsOn: z
    .union([z.string(), z.array(z.string())])
    .default([])
    .transform((ids) => [ids].flat()),
});
const outputSchema = z.object({ Value: z.unknown().transform(asText) });
const assemblySchema = z.object({
  Resources: z.record(z.string(), resourceSchema),
  Outputs: z.record(z.string(), outputSchema),
});

export type TemplateResource = z.infer<typeof resourceSchema> & { readonly id: string };

export interface Synthesized {
  readonly resources: readonly TemplateResource[];
  ofType(type: string): readonly TemplateResource[];
  /** The one resource of a type whose id begins so. */
  one(type: string, idPrefix?: string): TemplateResource;
  /** Values by the outputs' names. */
  readonly outputs: Readonly<Record<string, string>>;
  /** What cdk-nag finds and nobody has given a reason for, and what the library warns of. */
  readonly findings: readonly string[];
  /** Of the stack as a whole. */
  readonly tags: Readonly<Record<string, string>>;
  /** Where the template and its assets lie. */
  readonly directory: string;
}

const temporary = mkdtempSync(join(tmpdir(), 'lifeboat-stack-'));
afterAll(() => {
  rmSync(temporary, { recursive: true });
});

/** Every function's code is the same small file: what is in the bundles is no matter of the template. */
const bundles = bundlesOf('export const handler = () => {};\n');

/** Bundles in which every function has the same code. */
export function bundlesOf(code: string): Readonly<Record<string, string>> {
  const directory = mkdtempSync(join(temporary, 'code-'));
  writeFileSync(join(directory, 'index.mjs'), code);
  const functions = readdirSync(join(ROOT, 'lambdas', 'handlers')).map((file) => basename(file, '.ts'));
  return Object.fromEntries(functions.map((name) => [name, directory]));
}

/** Sections of a configuration; what `aws` says is added to what it says otherwise. */
export interface Sections {
  readonly aws?: object;
  readonly [section: string]: unknown;
}

/** A configuration with one policy, over which sections may be laid; checked as any other. Somebody hears of its alarms. */
export function configurationWith({ aws, ...sections }: Sections = {}) {
  return configurationSchema.parse({
    store: './recovery-points',
    managementClusters: { 'mgmt-a': { secret: 'lifeboat/management-clusters/mgmt-a' } },
    policies: { nightly: { schedule: '0 3 * * *', timeZone: 'Europe/Berlin', retention: { daily: 7 } } },
    aws: { alarms: { topic: 'arn:aws:sns:eu-central-1:111122223333:on-call' }, ...aws },
    ...sections,
  });
}

/** The template of a configuration, as `cdk synth` makes it. */
export function synthesize(sections: Sections = {}, functionBundles = bundles): Synthesized {
  const directory = mkdtempSync(join(temporary, 'cdk.out-'));
  const configuration = configurationWith(sections);
  const { app, artifact } = synthesizeStack({ configuration, bundles: functionBundles, outdir: directory });
  const { Resources, Outputs } = assemblySchema.parse(artifact.template);
  const resources = Object.entries(Resources).map(([id, resource]) => ({ id, ...resource }));
  const ofType = (type: string) => resources.filter((resource) => resource.Type === type);
  return {
    resources,
    ofType,
    one(type, idPrefix = '') {
      const found = ofType(type).filter(({ id }) => id.startsWith(idPrefix));
      const [only] = found;
      if (only === undefined || found.length > 1) throw new Error(`${found.length} of ${type} ${idPrefix}`);
      return only;
    },
    outputs: Object.fromEntries(Object.entries(Outputs).map(([name, { Value }]) => [name, Value])),
    findings: [...nagFindings(app), ...artifact.messages.map(({ id, entry }) => `${asText(entry.data)} at ${id}`)],
    tags: artifact.tags,
    directory,
  };
}

function nagFindings(app: App): string[] {
  const { violations } = new AwsSolutionsChecks(app).validateScope(app);
  return violations.flatMap(({ ruleName, violatingResources }) =>
    violatingResources.map(({ constructPath }) => `${ruleName} at ${constructPath ?? ''}`),
  );
}

/** `TakeSnapshot` for `BackUpFleetTakeSnapshotFunction` and the eight characters of a hash in which CloudFormation's ids end. */
export function nameOf({ id }: Pick<TemplateResource, 'id'>): string {
  return id
    .replace(/(Function|Role)[0-9A-F]{8}$/, '')
    .replace(/^(BackUpFleet|RestoreControlPlane|PolicySchedules|Arrivals|Observability)(?=.)/, '');
}

/** A value of the template as one line: references in angle brackets, `<RecoveryPointsBucket1234.Arn>/locks/*`. */
export function asText(value: unknown): string {
  if (typeof value === 'string') return value;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const [[intrinsic, argument] = ['', undefined]] = Object.entries(value);
  if (intrinsic === 'Ref') return `<${String(argument)}>`;
  if (intrinsic === 'Fn::GetAtt') return `<${(argument as string[]).join('.')}>`;
  if (intrinsic !== 'Fn::Join') return JSON.stringify(value);
  const [delimiter, parts] = argument as [string, unknown[]];
  return parts.map(asText).join(delimiter);
}
