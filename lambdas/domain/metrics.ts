import type { PolicyStatus } from './policy-status.ts';

/**
 * The metrics that `report-status` writes and that alarms and dashboard read: names and dimensions, one place. They never have
 * the control plane as a dimension: CloudWatch bills every combination of dimensions as a metric of its own.
 */
export const METRIC_NAMESPACE = 'Lifeboat';

export const METRICS = {
  /** Age of the newest verified point of the control plane that is worst off. */
  oldestVerifiedAge: { name: 'OldestVerifiedAgeSeconds', unit: 'Seconds' },
  /** Control planes whose newest verified point is older than the policy's objective, or that have none. */
  beyondObjective: { name: 'ControlPlanesBeyondObjective', unit: 'Count' },
  /** Control planes that it backed up before and no longer finds, and platforms that a management cluster no longer serves. */
  missing: { name: 'ControlPlanesMissing', unit: 'Count' },
  /** 1 when the newest run of the policy did not succeed, selected nothing or cannot be read, or its schedule is missing or disabled. */
  failing: { name: 'PolicyFailing', unit: 'Count' },
  /** Accounts on management clusters of the policy, for backups and for restores, that end within 14 days. */
  credentialsNearExpiry: { name: 'CredentialsNearExpiry', unit: 'Count' },
  /**
   * Locks on control planes of the policy that outlived their operation; of the stack also restores that were begun and have not
   * ended, whatever policy backs their control planes up.
   */
  outlivedLocks: { name: 'OutlivedLocks', unit: 'Count' },
} as const;

/** A value for every metric of one policy; null where there is none to give. */
export type MetricValues = Readonly<Record<keyof typeof METRICS, number | null>>;

/** Of a metric: CloudWatch takes metrics for one and the same only if all of it is equal. */
export type Dimensions = Readonly<Record<string, string>>;

/** The dimensions of one policy of a stack. */
export function policyDimensions(stack: string, policy: string): Dimensions {
  return { ...stackDimensions(stack), Policy: policy };
}

/** Those of all policies of a stack together: each of them adds its value, so that the maximum is that of the worst. */
export function stackDimensions(stack: string): Dimensions {
  return { Stack: stack };
}

/** What an alarm needs of a policy's status. Of one that cannot be read nothing is known but that: a zero would end an alarm. */
export function metricsOf(status: PolicyStatus): MetricValues {
  if (!status.readable) return { ...NO_VALUES, failing: 1 };
  return {
    oldestVerifiedAge: status.oldestVerifiedAgeSeconds,
    beyondObjective: status.beyondObjective.length,
    missing: status.missing.length + status.unserved.length,
    failing: status.failing ? 1 : 0,
    credentialsNearExpiry: status.credentialsNearExpiry.length,
    outlivedLocks: status.outlivedLocks.length,
  };
}

/** What an alarm needs of the whole stack. */
export function stackMetricsOf(unfinishedRestores: readonly unknown[]): MetricValues {
  return { ...NO_VALUES, outlivedLocks: unfinishedRestores.length };
}

const NO_VALUES: MetricValues = {
  oldestVerifiedAge: null,
  beyondObjective: null,
  missing: null,
  failing: null,
  credentialsNearExpiry: null,
  outlivedLocks: null,
};
