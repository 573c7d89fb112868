import { Annotations, Duration } from 'aws-cdk-lib';
import { Schedule, ScheduleExpression, ScheduleGroup, type IScheduleGroup } from 'aws-cdk-lib/aws-scheduler';
import { Construct } from 'constructs';
import { METRICS, policyDimensions, stackDimensions } from '../lambdas/domain/metrics.ts';
import { isObjectiveBeyondSchedule } from '../lambdas/domain/policy.ts';
import { addDashboard, metricOf, REPORT_INTERVAL, type Dashboarded } from './dashboard.ts';
import { LifeboatFunction, type Surroundings } from './lifeboat-function.ts';
import { permit } from './permissions.ts';
import { ScheduledCaller } from './policy-schedules.ts';
import { KEYS } from './recovery-point-bucket.ts';

const { manifests, proofs, operations, restores, locks, policies } = KEYS;

/** What each count means to whoever is woken; reads on from "A policy". The age itself has no alarm, for `beyondObjective` judges it. */
const MEANINGS = {
  missing:
    'no longer finds control planes that it has backed up, or a management cluster no longer serves their platform; dismiss what is gone on purpose with "lifeboat dismiss"',
  failing: 'failed or selected nothing when it was last run, cannot be judged, or its schedule is missing or disabled',
  credentialsNearExpiry: 'uses credentials of management clusters that end within 14 days',
  outlivedLocks: 'has control planes on which an operation died: a lock or a restore that was begun is left',
} as const satisfies Partial<Record<keyof typeof METRICS, string>>;

interface Observed extends Dashboarded {
  /** Of the policies' schedules. */
  readonly group: IScheduleGroup;
}

/** The function that judges every policy each quarter of an hour, the alarms on what it finds, and the dashboard. */
export class Observability extends Construct {
  constructor(scope: Construct, id: string, surroundings: Surroundings, observed: Observed) {
    super(scope, id);
    const report = this.#scheduleReports(surroundings, observed);
    this.#addAlarms(surroundings, report);
    addDashboard(this, surroundings, { ...observed, functions: [...observed.functions, report] });
  }

  #scheduleReports(surroundings: Surroundings, { group }: Observed): LifeboatFunction {
    const report = new LifeboatFunction(this, 'report-status', surroundings, {
      description: 'Judges every policy and writes the figures for alarms and dashboard',
      timeoutSeconds: 300,
      memoryMegabytes: 1024,
      calledBy: 'events',
      store: { read: [manifests, proofs, operations, restores, locks, policies] },
    });
    report.tell('LIFEBOAT_SCHEDULE_GROUP', group.scheduleGroupName);
    permit(report.role, {
      actions: ['scheduler:ListSchedules'],
      resources: ['*'],
      wildcardReason: 'EventBridge Scheduler knows no resource for this action; given a group it denies the call.',
    });
    // Not among the policies' schedules: those are what it looks for.
    const ownGroup = ScheduleGroup.fromDefaultScheduleGroup(this, 'Group');
    const caller = new ScheduledCaller(this, 'Caller', { called: report, group: ownGroup });
    const schedule = new Schedule(this, 'Schedule', {
      description: 'Judges the policies of Lifeboat',
      schedule: ScheduleExpression.rate(REPORT_INTERVAL),
      target: caller.target({}),
    });
    caller.isReadyBefore(schedule);
    return report;
  }

  /**
   * An alarm a policy on what it is there for, so that none hides behind another's. What else may be wrong with a policy rings once
   * for all: "lifeboat status" names them.
   */
  #addAlarms({ configuration, deployment: { stackName }, alarms }: Surroundings, report: LifeboatFunction): void {
    for (const [policy, definition] of Object.entries(configuration.policies ?? {})) {
      if (isObjectiveBeyondSchedule(definition)) {
        // Not refused: who restores today must not be kept from it by when an alarm rings.
        Annotations.of(this).addWarningV2(
          `lifeboat:objectiveBeyondSchedule:${policy}`,
          `The objective of policy ${policy} is shorter than the longest time between two of its runs: its alarm will ring although every run succeeds. Leave "objective" out, or run it more often.`,
        );
      }
      alarms.add(new Construct(this, policy), METRICS.beyondObjective.name, {
        metric: metricOf('beyondObjective', policyDimensions(stackName, policy)),
        description: `Policy ${policy} has control planes without a verified recovery point as new as its objective demands. "lifeboat status" says more.`,
        silence: 'nobody-looked',
        // Twice in a row, for a report may be late.
        periods: 2,
      });
    }
    for (const [key, meaning] of Object.entries(MEANINGS) as [keyof typeof MEANINGS, string][]) {
      alarms.add(this, METRICS[key].name, {
        metric: metricOf(key, stackDimensions(stackName)),
        description: `A policy ${meaning}. "lifeboat status" names it.`,
        silence: 'nobody-looked',
      });
    }
    alarms.addForSilence(this, 'NoReportAlarm', {
      metric: report.function.metricInvocations({ period: Duration.minutes(30), statistic: 'Sum' }),
      description: 'Nobody has judged the policies for an hour: the schedule of report-status does not fire.',
      periods: 2,
    });
  }
}
