import {
  METRIC_NAMESPACE,
  METRICS,
  policyDimensions,
  stackDimensions,
  type Dimensions,
  type MetricValues,
} from '../domain/metrics.ts';
import type { Metrics } from '../policy-runs/report-status.ts';

/**
 * Metrics as lines of the function's log, in CloudWatch's embedded metric format: no call and no permission
 * (https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html).
 */
export function embeddedMetrics(stack: string, clock: () => Date): Metrics {
  const ofStack = stackDimensions(stack);
  const write = (values: MetricValues, dimensions: Dimensions, sets: readonly Dimensions[]) => {
    const known = Object.entries(METRICS).flatMap(([key, { name, unit }]) => {
      const value = values[key as keyof typeof METRICS];
      return value === null ? [] : [{ name, unit, value }];
    });
    const line = {
      _aws: {
        Timestamp: clock().getTime(),
        CloudWatchMetrics: [
          {
            Namespace: METRIC_NAMESPACE,
            Dimensions: sets.map((set) => Object.keys(set)),
            Metrics: known.map(({ name, unit }) => ({ Name: name, Unit: unit })),
          },
        ],
      },
      ...dimensions,
      ...Object.fromEntries(known.map(({ name, value }) => [name, value])),
    };
    // Not the console: with logs as JSON Lambda would wrap the line into one of its own, in which nobody looks for metrics.
    process.stdout.write(`${JSON.stringify(line)}\n`);
  };
  return {
    put(policy, values) {
      const ofPolicy = policyDimensions(stack, policy);
      write(values, ofPolicy, [ofPolicy, ofStack]);
    },
    putOfStack(values) {
      write(values, ofStack, [ofStack]);
    },
  };
}
