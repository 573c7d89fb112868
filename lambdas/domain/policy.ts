import { z } from 'zod';
import { PLATFORMS, type ControlPlaneName, type PlatformName } from './control-plane.ts';
import { isDuration } from './duration.ts';
import { isSchedule, isTimeZone } from './schedule.ts';

/** Part of an execution's name, which AWS allows 80 characters for. */
export const policyNameSchema = z
  .string()
  .regex(/^[a-z0-9]([-a-z0-9]{0,30}[a-z0-9])?$/, 'use up to 32 lower-case letters, digits and "-"');

const duration = z.string().refine(isDuration, 'write a duration such as 90m, 26h, 7d or 2w');
const count = z.int().positive();
const pattern = z.string().regex(/^[-a-z0-9.*]+$/, 'use lower-case letters, digits, "-", "." and "*" for any text');
const patterns = z.array(pattern).min(1);

/** Every field that is given must match, by any of its values; without any field everything is selected. */
const selectorSchema = z.strictObject({
  platforms: z.array(z.enum(PLATFORMS)).min(1).optional(),
  managementClusters: patterns.optional(),
  namespaces: patterns.optional(),
  names: patterns.optional(),
  /** All of them, with exactly these values. */
  labels: z.record(z.string(), z.string()).optional(),
});
export type Selector = z.infer<typeof selectorSchema>;

/** Rules are OR-ed: a recovery point is kept when any of them keeps it. Only verified points count. */
export const retentionRulesSchema = z
  .strictObject({
    /** The newest N. */
    last: count.optional(),
    /** The newest of each of the last N hours, days, ISO weeks, months, years (UTC) that have one. */
    hourly: count.optional(),
    daily: count.optional(),
    weekly: count.optional(),
    monthly: count.optional(),
    yearly: count.optional(),
    /** All that are at most this much older than the newest. */
    within: duration.optional(),
    /** So many verified points stay whatever the rules say. */
    minimumVerified: count.default(3),
  })
  .refine(
    (rules) => Object.entries(rules).some(([name, rule]) => name !== 'minimumVerified' && rule !== undefined),
    'give at least one of last, hourly, daily, weekly, monthly, yearly and within',
  );
export type RetentionRules = z.infer<typeof retentionRulesSchema>;

/** Which control planes are backed up when, and how long that is kept. */
export const policySchema = z.strictObject({
  select: selectorSchema.default({}),
  /** Five-field cron, `@daily` and the like, or `@every 6h`. */
  schedule: z
    .string()
    .refine(isSchedule, 'write five fields of cron that fire some day, @daily and the like, or @every 6h'),
  /** IANA name; UTC when left out. */
  timeZone: z.string().refine(isTimeZone, 'give an IANA name such as Europe/Berlin').optional(),
  retention: retentionRulesSchema,
  /** Nobody, not even the account's root user, can delete a point in its first so many days. Needs S3 with Object Lock. */
  objectLock: z.strictObject({ days: count }).optional(),
  /** `live` also compares with the members while they run. */
  verification: z.enum(['structure', 'live']).default('live'),
  /** The age of the newest verified point from which on status and alarm complain. */
  objective: duration.default('26h'),
});
export type Policy = z.infer<typeof policySchema>;

/** A control plane as far as selecting needs it. */
export interface Selectable {
  readonly platform: PlatformName;
  readonly name: ControlPlaneName;
  readonly labels: Readonly<Record<string, string>>;
}

/** Whether a policy's selector takes a control plane in. */
export function selects(selector: Selector, { platform, name, labels }: Selectable): boolean {
  return (
    selector.platforms?.includes(platform) !== false &&
    selectsManagementCluster(selector, name.managementCluster) &&
    matchesAny(selector.namespaces, name.namespace) &&
    matchesAny(selector.names, name.name) &&
    Object.entries(selector.labels ?? {}).every(([label, value]) => labels[label] === value)
  );
}

/** Whether control planes of a management cluster may be selected at all: others need not be asked. */
export function selectsManagementCluster({ managementClusters }: Selector, managementCluster: string): boolean {
  return matchesAny(managementClusters, managementCluster);
}

function matchesAny(patterns: readonly string[] | undefined, text: string): boolean {
  if (patterns === undefined) return true;
  return patterns.some((pattern) => new RegExp(`^${pattern.replaceAll('.', '\\.').replaceAll('*', '.*')}$`).test(text));
}
