import * as z from 'zod';
import { policyNamed } from '../domain/configuration.ts';
import { metricsOf, stackMetricsOf, type MetricValues } from '../domain/metrics.ts';
import { schedulesOf } from '../domain/policy.ts';
import { scheduleName } from '../domain/policy-run.ts';
import { policyStatusSchema, type PolicyFacts } from '../domain/policy-status.ts';
import type { Schedules } from '../aws/schedules.ts';
import { describeUnfinished, unfinishedRestores } from '../operations/unfinished-restores.ts';
import { policyStatuses, type StatusPorts } from './status.ts';

/** Where the figures of a policy go. */
export interface Metrics {
  put(policy: string, values: MetricValues): void;
  /** What belongs to no policy. */
  putOfStack(values: MetricValues): void;
}

export interface ReportStatusPorts extends StatusPorts {
  readonly schedules: Schedules;
  readonly scheduleGroup: string;
  readonly metrics: Metrics;
}

export const statusReportSchema = z.strictObject({
  policies: z.array(policyStatusSchema),
  /** A sentence each. */
  unfinishedRestores: z.array(z.string()),
});

/** Judges every policy, its schedules included, and what restores have left, and writes the figures that the alarms look at. */
export async function reportStatus(
  _: unknown,
  { schedules, scheduleGroup, metrics, ...ports }: ReportStatusPorts,
): Promise<z.infer<typeof statusReportSchema>> {
  const enabled = new Map<string, boolean>();
  for await (const schedule of schedules.list(scheduleGroup)) enabled.set(schedule.name, schedule.enabled);
  const scheduleOf = (policy: string): PolicyFacts['schedule'] => {
    const states = schedulesOf(policyNamed(ports.configuration, policy)).map((_schedule, index) =>
      enabled.get(scheduleName(policy, index)),
    );
    if (states.includes(undefined)) return 'missing';
    return states.includes(false) ? 'disabled' : 'enabled';
  };
  const policies = await policyStatuses(ports, scheduleOf);
  for (const status of policies) metrics.put(status.policy, metricsOf(status));
  const unfinished = await unfinishedRestores(ports);
  metrics.putOfStack(stackMetricsOf(unfinished));
  return { policies, unfinishedRestores: unfinished.map(describeUnfinished) };
}
