import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import * as z from 'zod';
import { METRIC_NAMESPACE, METRICS } from '../../lambdas/domain/metrics.ts';
import { lastRunKey } from '../../lambdas/domain/policy-run.ts';
import { bundleFunctions } from '../../lib/bundles.ts';
import { LambdaFunctionProcess } from '../suite/lambda-function.ts';
import { asText, configurationWith, synthesize } from './synthesized.ts';

/** A second or two unless the machine is busy. */
const SETUP_TIMEOUT_MILLISECONDS = 300_000;
const CONTROL_PLANE = 'mgmt-a/clusters/prod';
const RUN = { runId: 'nightly-20260102T030000Z', policy: 'nightly', slot: '2026-01-02T03:00:00Z' };
const DONE = {
  ...RUN,
  finishedAt: '2026-01-02T03:05:00.000Z',
  status: 'succeeded',
  counts: { verified: 1, failed: 0, skipped: 0 },
  unreachable: [],
};

/** A line in the embedded metric format: CloudWatch Logs, "Specification: Embedded metric format". */
const lineSchema = z.looseObject({
  _aws: z.object({
    Timestamp: z.number(),
    CloudWatchMetrics: z.array(
      z.object({
        Namespace: z.string(),
        Dimensions: z.array(z.array(z.string())),
        Metrics: z.array(z.object({ Name: z.string(), Unit: z.string() })),
      }),
    ),
  }),
});
const alarmSchema = z.object({
  Namespace: z.string(),
  MetricName: z.string(),
  Dimensions: z.array(z.object({ Name: z.string(), Value: z.unknown().transform(asText) })).default([]),
});

/** A metric as CloudWatch tells it from every other: namespace, name, and the whole set of dimensions. */
function identity(namespace: string, name: string, dimensions: Readonly<Record<string, string>>): string {
  const sorted = Object.entries(dimensions).sort(([left], [right]) => left.localeCompare(right));
  return JSON.stringify([namespace, name, ...sorted]);
}

/** Every metric that a line gives a value to. */
function metricsIn(line: string): string[] {
  const { _aws, ...values } = lineSchema.parse(JSON.parse(line));
  return _aws.CloudWatchMetrics.flatMap(({ Namespace, Dimensions, Metrics }) =>
    Metrics.flatMap(({ Name }) => {
      expect([Name, typeof values[Name]]).toEqual([Name, 'number']);
      return Dimensions.map((names) =>
        identity(Namespace, Name, Object.fromEntries(names.map((name) => [name, z.string().parse(values[name])]))),
      );
    }),
  );
}

describe('the metrics that the bundle of report-status prints', () => {
  const directory = mkdtempSync(join(tmpdir(), 'lifeboat-metrics-'));
  const scheduler = createServer((_, response) => {
    response
      .setHeader('content-type', 'application/json')
      .end(JSON.stringify({ Schedules: [{ Name: 'nightly-1', State: 'ENABLED' }] }));
  });
  const aws = { stackName: 'lifeboat-eu' };
  const template = synthesize({ aws });
  let running: LambdaFunctionProcess;
  let printed: Set<string>;

  beforeAll(async () => {
    const store = join(directory, 'store');
    const write = (key: string, document: object) => {
      const file = join(store, key);
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, JSON.stringify(document));
    };
    write(lastRunKey('nightly'), DONE);
    write(`operations/${RUN.runId}/plan.json`, {
      ...RUN,
      controlPlanes: [{ controlPlane: CONTROL_PLANE, platform: 'hypershift' }],
      unreachable: [],
      credentials: [],
    });
    write(`operations/${RUN.runId}/result.json`, {
      ...DONE,
      outcomes: [
        {
          controlPlane: CONTROL_PLANE,
          outcome: 'verified',
          step: null,
          point: '20260102T030405Z-a1b2',
          error: null,
          reason: null,
        },
      ],
    });
    const configuration = join(directory, 'configuration.json');
    writeFileSync(configuration, JSON.stringify(configurationWith({ aws })));
    scheduler.listen(0, '127.0.0.1');
    await once(scheduler, 'listening');
    const { directories } = bundleFunctions(join(directory, 'bundles'));
    running = await LambdaFunctionProcess.start(directories['report-status'] ?? '', {
      AWS_REGION: 'eu-central-1',
      AWS_ACCESS_KEY_ID: 'unused',
      AWS_SECRET_ACCESS_KEY: 'unused',
      AWS_ENDPOINT_URL: `http://127.0.0.1:${(scheduler.address() as AddressInfo).port}`,
      LIFEBOAT_STORE: store,
      LIFEBOAT_CONFIGURATION_FILE: configuration,
      LIFEBOAT_SCHEDULE_GROUP: 'lifeboat',
    });
    await running.invoke({});
    const lines = running.output.split('\n').filter((line) => line.includes('"_aws"'));
    printed = new Set(lines.flatMap(metricsIn));
  }, SETUP_TIMEOUT_MILLISECONDS);
  afterAll(async () => {
    await running.stop();
    scheduler.close();
    rmSync(directory, { recursive: true });
  });

  it('are all that there are, of the policy', () => {
    const dimensions = { Stack: 'lifeboat-eu', Policy: 'nightly' };
    expect([...printed]).toEqual(
      expect.arrayContaining(Object.values(METRICS).map(({ name }) => identity(METRIC_NAMESPACE, name, dimensions))),
    );
  });

  it('are those that the alarms look at, with the very same dimensions', () => {
    const watched = template.ofType('AWS::CloudWatch::Alarm').flatMap(({ Properties }) => {
      if (Properties['Namespace'] !== METRIC_NAMESPACE) return [];
      const { Namespace, MetricName, Dimensions } = alarmSchema.parse(Properties);
      const dimensions = Object.fromEntries(Dimensions.map(({ Name, Value }) => [Name, Value]));
      return [identity(Namespace, MetricName, dimensions)];
    });
    expect(watched.length).toBeGreaterThanOrEqual(5);
    expect(watched.filter((metric) => !printed.has(metric))).toEqual([]);
  });

  it('are those that the dashboard shows, with the very same dimensions', () => {
    const body = z
      .object({ widgets: z.array(z.object({ properties: z.object({ metrics: z.array(z.unknown()).optional() }) })) })
      .parse(JSON.parse(asText(template.one('AWS::CloudWatch::Dashboard').Properties['DashboardBody'])));
    const shown = body.widgets.flatMap(({ properties: { metrics = [] } }) =>
      metrics.flatMap((metric) => {
        const [namespace, name, ...dimensions] = z.array(z.unknown()).parse(metric);
        if (namespace !== METRIC_NAMESPACE) return [];
        const texts = z.array(z.string()).parse(dimensions.filter((part) => typeof part === 'string'));
        const pairs = texts.flatMap((text, index) => (index % 2 === 0 ? [[text, texts[index + 1] ?? '']] : []));
        return [identity(namespace, z.string().parse(name), Object.fromEntries(pairs) as Record<string, string>)];
      }),
    );
    expect(shown.length).toBeGreaterThanOrEqual(Object.keys(METRICS).length);
    expect(shown.filter((metric) => !printed.has(metric))).toEqual([]);
  });
});
