import * as z from 'zod';
import { PLATFORMS, type ControlPlaneName, type PlatformName } from './control-plane.ts';
import { isDuration, parseDuration } from './duration.ts';
import { ConfigurationError } from './errors.ts';
import { hookSchema } from './hooks.ts';
import { longestGapMilliseconds } from './schedule-gap.ts';
import { checkTimeZone, schedulerExpressions, type SchedulerExpression } from './schedule.ts';

/** Part of an execution's name, which AWS allows 80 characters for. */
export const policyNameSchema = z
  .string()
  .regex(/^[a-z0-9]([-a-z0-9]{0,30}[a-z0-9])?$/, 'use up to 32 lower-case letters, digits and "-"');

const duration = z
  .string()
  .refine(isDuration, 'write a duration such as 90m, 26h, 7d or 2w')
  .meta({ pattern: '^(?=.*[1-9])([0-9]+[mhdw])+$' });
const count = z.int().positive();
const pattern = z.string().regex(/^[-a-z0-9.*]+$/, 'use lower-case letters, digits, "-", "." and "*" for any text');
const patterns = z.array(pattern).min(1);

/** Makes an issue with reason and remedy of a ConfigurationError. */
const acceptedBy =
  <T>(check: (value: T) => unknown, path: string[] = []) =>
  (value: T, context: z.RefinementCtx) => {
    try {
      check(value);
    } catch (error) {
      if (!(error instanceof ConfigurationError)) throw error;
      // Or the check of the whole policy would refuse the same once more.
      context.addIssue({ code: 'custom', path, message: `${error.message}. ${error.remedy ?? ''}`, continue: false });
    }
  };

const selectorSchema = z
  .strictObject({
    platforms: z.array(z.enum(PLATFORMS)).min(1).optional().describe('Platforms that run control planes.'),
    managementClusters: patterns.optional().describe('Names of management clusters; "*" stands for any text.'),
    namespaces: patterns.optional().describe('Namespaces on the management cluster; "*" stands for any text.'),
    names: patterns.optional().describe('Names of control planes; "*" stands for any text.'),
    labels: z.record(z.string(), z.string()).optional().describe('Labels, all of them with exactly these values.'),
  })
  .describe(
    'Control planes of the policy: every field that is given must match, by any of its values. All of them when left out.',
  );
export type Selector = z.infer<typeof selectorSchema>;

const retentionRules = {
  last: count.optional().describe('Keeps the newest N.'),
  hourly: count.optional().describe('Keeps the newest of each of the last N hours (UTC) that have one.'),
  daily: count.optional().describe('Keeps the newest of each of the last N days (UTC) that have one.'),
  weekly: count.optional().describe('Keeps the newest of each of the last N ISO weeks (UTC) that have one.'),
  monthly: count.optional().describe('Keeps the newest of each of the last N months (UTC) that have one.'),
  yearly: count.optional().describe('Keeps the newest of each of the last N years (UTC) that have one.'),
  within: duration.optional().describe('Keeps all that are at most this much older than the newest.'),
};
const RULE_NAMES = Object.keys(retentionRules) as (keyof typeof retentionRules)[];

export const retentionRulesSchema = z
  .strictObject({
    ...retentionRules,
    minimumVerified: count.default(3).describe('So many verified points stay whatever the rules say.'),
  })
  .refine(
    (rules) => RULE_NAMES.some((name) => rules[name] !== undefined),
    `give at least one of ${RULE_NAMES.slice(0, -1).join(', ')} and ${RULE_NAMES.at(-1) ?? ''}`,
  )
  .meta({
    description: 'A recovery point is kept when any rule keeps it. Only verified points count.',
    anyOf: RULE_NAMES.map((name) => ({ required: [name] })),
  });
export type RetentionRules = z.infer<typeof retentionRulesSchema>;

/** Who can end the lock on a point before its time: whoever has the right to, or nobody. */
const LOCK_MODES = ['governance', 'compliance'] as const;
export type LockMode = (typeof LOCK_MODES)[number];

export const policySchema = z
  .strictObject({
    select: selectorSchema.default({}),
    schedule: z
      .string()
      .superRefine(acceptedBy((schedule) => schedulerExpressions(schedule)))
      .meta({
        description:
          'Five fields of cron, @hourly to @yearly, or "@every 6h"; "TZ=Europe/Berlin " may stand before it.',
        examples: ['0 3 * * *', '@daily', '@every 6h'],
      }),
    timeZone: z
      .string()
      .superRefine(acceptedBy(checkTimeZone))
      .optional()
      .describe('IANA name of the time zone of the schedule; UTC when left out.'),
    flexibleWindowMinutes: z
      .int()
      .min(0)
      // API reference of EventBridge Scheduler, FlexibleTimeWindow: MaximumWindowInMinutes.
      .max(1440)
      .default(0)
      .describe(
        'Runs start at any time in so many minutes after the scheduled time, so that fleets do not start at once.',
      ),
    retention: retentionRulesSchema,
    objectLock: z
      .strictObject({
        days: count.describe('Days from the time that a point is taken.'),
        mode: z
          .enum(LOCK_MODES)
          .default('governance')
          .describe(
            '"governance": whoever may bypass it (s3:BypassGovernanceRetention; nobody in a bucket that Lifeboat made, as long as its policy stands) can still delete a point. "compliance": nobody can delete it or shorten the time, not even the account\'s root user or AWS; its storage is paid for until then.',
          ),
      })
      .optional()
      .describe('Points can be neither deleted nor overwritten meanwhile. Needs S3 with Object Lock.'),
    verification: z
      .enum(['structure', 'live'])
      .default('live')
      .describe(
        '"structure" walks every page of what was stored; "live" also compares with the members while they run.',
      ),
    objective: duration
      .optional()
      .describe(
        'The age of the newest verified point from which on status and alarm complain. Default: two hours more than the longest time between two runs, flexibleWindowMinutes included, and at least 26h. One that is shorter than that time can never be kept.',
      ),
    hooks: z.array(hookSchema).optional().describe('Told of the events of this policy.'),
  })
  .superRefine(acceptedBy(({ schedule, timeZone }) => schedulerExpressions(schedule, timeZone), ['schedule']))
  .describe('Which control planes are backed up when, and how long that is kept.');
export type Policy = z.infer<typeof policySchema>;

/** The expressions for EventBridge Scheduler that start a policy: one, or two where its schedule needs two. */
export function schedulesOf({ schedule, timeZone }: Policy): readonly SchedulerExpression[] {
  return schedulerExpressions(schedule, timeZone);
}

const HOUR_MILLISECONDS = 3_600_000;
/** What a run may take, and what clocks are changed by. */
const MARGIN_MILLISECONDS = 2 * HOUR_MILLISECONDS;
const LEAST_DEFAULT_MILLISECONDS = 26 * HOUR_MILLISECONDS;

/** The age of the newest verified point from which on people are told, in milliseconds. */
export function objectiveMilliseconds(policy: Policy): number {
  if (policy.objective !== undefined) return parseDuration(policy.objective);
  return Math.max(LEAST_DEFAULT_MILLISECONDS, longestWaitMilliseconds(policy) + MARGIN_MILLISECONDS);
}

/** Whether the objective is shorter than what the schedule itself lets pass between two runs: then it rings again and again. */
export function isObjectiveBeyondSchedule(policy: Policy): boolean {
  // The one by default is never shorter.
  return policy.objective !== undefined && parseDuration(policy.objective) < longestWaitMilliseconds(policy);
}

function longestWaitMilliseconds({ schedule, flexibleWindowMinutes }: Policy): number {
  return longestGapMilliseconds(schedule) + flexibleWindowMinutes * 60_000;
}

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
