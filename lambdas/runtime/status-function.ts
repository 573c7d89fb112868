import { EventBridgeSchedules } from '../aws/event-bridge-schedules.ts';
import { stackNameOf } from '../domain/configuration.ts';
import type { ReportStatusPorts } from '../policy-runs/report-status.ts';
import type { Step } from '../step.ts';
import { embeddedMetrics } from './embedded-metrics.ts';
import { requiredVariable } from './environment.ts';
import { lambdaFunction, type LambdaFunction } from './function.ts';
import { openRunPorts } from './store-function.ts';

/** The function that reports: the store, the scheduler, and the metrics. */
export function statusFunction<Input, Output>(step: Step<Input, Output, ReportStatusPorts>): LambdaFunction<Output> {
  const schedules = new EventBridgeSchedules();
  return lambdaFunction(step, async (invocation) => {
    const scheduleGroup = requiredVariable('LIFEBOAT_SCHEDULE_GROUP');
    const ports = await openRunPorts(invocation);
    const metrics = embeddedMetrics(stackNameOf(ports.configuration), ports.clock);
    return { ports: { ...ports, schedules, scheduleGroup, metrics }, close: () => undefined };
  });
}
