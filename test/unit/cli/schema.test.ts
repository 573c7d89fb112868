import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';
import * as z from 'zod';
import { schema } from '../../../bin/commands/schema.ts';
import { configurationSchema } from '../../../lambdas/domain/configuration.ts';
import { EVENT_DETAILS } from '../../../lambdas/domain/events.ts';

const PROGRAM = join(import.meta.dirname, '..', '..', '..', 'bin', 'lifeboat.ts');
const SMALL = `store: ./recovery-points            # or s3://bucket/prefix, with s3: { endpoint, region, forcePathStyle }
managementClusters:
  mgmt-a: { kubeconfig: ./mgmt-a.kubeconfig }   # or { secret: lifeboat/management-clusters/mgmt-a }
`;
const FULL = `# yaml-language-server: $schema=./lifeboat.schema.json
store: s3://bucket/prefix
s3: { endpoint: https://s3.example.com, region: eu-central-1, forcePathStyle: true }
managementClusters:
  mgmt-a: { kubeconfig: ./mgmt-a.kubeconfig }
  mgmt-b: { secret: lifeboat/management-clusters/mgmt-b }
policies:
  nightly:
    select:
      platforms: [hypershift]
      managementClusters: [mgmt-*]
      namespaces: [clusters]
      names: [prod*]
      labels: { tier: gold }
    schedule: 30 2 * * mon-fri
    timeZone: Europe/Berlin
    flexibleWindowMinutes: 15
    retention: { last: 3, hourly: 6, daily: 14, weekly: 8, monthly: 12, yearly: 2, within: 2d, minimumVerified: 3 }
    objectLock: { days: 7 }
    verification: structure
    objective: 26h
    hooks:
      - on: [RecoveryPointRefused]
        sns: arn:aws:sns:eu-central-1:111122223333:backups
hooks:
  - on: [RecoveryPointVerified, PolicyRunFinished]
    https: { url: https://example.com/backups, secret: lifeboat/hooks/example }
aws: {}
`;

type JsonSchema = Readonly<Record<string, unknown>>;

const configuration = schema('configuration').json as JsonSchema;
const events = schema('events').json as JsonSchema;

describe('lifeboat schema', () => {
  it('needs no configuration, says how an editor uses it, and refuses what it does not know', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'lifeboat-schema-'));
    const lifeboat = async (...args: readonly string[]) => {
      const env = { ...process.env, NODE_OPTIONS: '' };
      const { stdout } = await promisify(execFile)(process.execPath, [PROGRAM, 'schema', ...args], {
        cwd: directory,
        env,
      });
      return stdout;
    };
    const [printed, printedAsJson, help, refusal] = await Promise.all([
      lifeboat('configuration'),
      lifeboat('events', '--json'),
      lifeboat('--help'),
      lifeboat('manifest').catch((error: unknown) => error),
    ]);
    await rm(directory, { recursive: true });
    expect(JSON.parse(printed)).toEqual(configuration);
    expect(JSON.parse(printedAsJson)).toEqual(events);
    expect(help).toContain('# yaml-language-server: $schema=./lifeboat.schema.json');
    expect(refusal).toHaveProperty('code', 2);
    expect(refusal).toHaveProperty('stderr', expect.stringContaining('Allowed choices are configuration, events'));
  }, 60_000);

  it('accepts configurations that are right and refuses wrong ones', () => {
    expect(configuration['$schema']).toBe('https://json-schema.org/draft/2020-12/schema');
    const forEditors = z.fromJSONSchema(withoutHookChoice(configuration));
    for (const text of [SMALL, FULL]) {
      expect(forEditors.safeParse(parse(text)).error).toBeUndefined();
      expect(configurationSchema.safeParse(parse(text)).error).toBeUndefined();
    }
    for (const [right, wrong] of [
      ['names: [prod*]', 'names: []'],
      ['timeZone:', 'timezone:'],
      ['schedule: 30 2 * * mon-fri', 'schedule: 3'],
      ['flexibleWindowMinutes: 15', 'flexibleWindowMinutes: 1441'],
      ['within: 2d', 'within: 0d'],
      ['sns: arn:aws:sns', 'sns: arn:aws:sqs'],
      ['    hooks:\n', '    objectives: 3\n    hooks:\n'],
      ['on: [RecoveryPointRefused]', 'on: [Refused]'],
      ['{ secret: lifeboat/management-clusters/mgmt-b }', '{ secrets: a }'],
      ['  nightly:', '  Nightly_:'],
    ] as const) {
      const broken = parse(FULL.replace(right, wrong)) as unknown;
      expect([wrong, forEditors.safeParse(broken).success]).toEqual([wrong, false]);
      expect([wrong, configurationSchema.safeParse(broken).success]).toEqual([wrong, false]);
    }
  });

  it('says of hooks and retention what is needed at least', () => {
    const { hook } = configuration['$defs'] as Record<string, JsonSchema>;
    expect(hook?.['oneOf']).toEqual(
      ['lambda', 'sns', 'sqs', 'stateMachine', 'https'].map((target) => ({ required: [target] })),
    );
    expect(JSON.stringify(configuration)).toContain(
      JSON.stringify(
        ['last', 'hourly', 'daily', 'weekly', 'monthly', 'yearly', 'within'].map((rule) => ({ required: [rule] })),
      ),
    );
  });

  it('describes every field of the configuration', () => {
    expect(undescribed(configuration)).toEqual([]);
  });

  it('has a schema for every event', () => {
    expect(Object.keys(events)).toEqual(Object.keys(EVENT_DETAILS));
    const detail = {
      version: 1,
      runId: 'nightly-20260102T030405Z',
      policy: 'nightly',
      slot: '2026-01-02T03:04:05Z',
      status: 'partial',
      counts: { verified: 2, failed: 1, skipped: 0 },
      unreachableManagementClusters: [],
    };
    const forReaders = z.fromJSONSchema(events['PolicyRunFinished'] as JsonSchema);
    expect(forReaders.safeParse(detail).success).toBe(true);
    expect(forReaders.safeParse({ ...detail, status: 'fine' }).success).toBe(false);
  });
});

/** zod reads an alternative that is `required` alone as one that everything fits; another test looks at these. */
function withoutHookChoice(schema: JsonSchema): JsonSchema {
  const $defs = schema['$defs'] as Record<string, JsonSchema>;
  return { ...schema, $defs: { ...$defs, hook: { ...$defs['hook'], oneOf: undefined } } };
}

/** Paths of all fields without a description of their own or of what they refer to. */
function undescribed(schema: unknown, path = ''): string[] {
  if (typeof schema !== 'object' || schema === null) return [];
  return Object.entries(schema).flatMap(([key, value]: [string, unknown]) => {
    if (key !== 'properties') return undescribed(value, `${path}/${key}`);
    return Object.entries(value as Record<string, JsonSchema>).flatMap(([field, of]) => [
      ...('description' in of || '$ref' in of ? [] : [`${path}/${field}`]),
      ...undescribed(of, `${path}/${field}`),
    ]);
  });
}
