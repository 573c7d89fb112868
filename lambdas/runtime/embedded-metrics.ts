import { Metrics as Powertools } from '@aws-lambda-powertools/metrics';
import { METRIC_NAMESPACE, METRICS, POLICY_DIMENSION } from '../domain/metrics.ts';
import type { Metrics } from '../policy-runs/report-status.ts';

/** Metrics as lines of the function's log, in CloudWatch's embedded metric format: no call and no permission. */
export function embeddedMetrics(): Metrics {
  return {
    put(policy, values) {
      const metrics = new Powertools({ namespace: METRIC_NAMESPACE });
      metrics.addDimension(POLICY_DIMENSION, policy);
      for (const [key, { name, unit }] of Object.entries(METRICS)) {
        const value = values[key as keyof typeof METRICS];
        if (value !== null) metrics.addMetric(name, unit, value);
      }
      metrics.publishStoredMetrics();
    },
  };
}
