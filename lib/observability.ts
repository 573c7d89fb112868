import { Duration } from 'aws-cdk-lib';
import {
  AlarmStatusWidget,
  Dashboard,
  GraphWidget,
  Metric,
  TextWidget,
  type IWidget,
} from 'aws-cdk-lib/aws-cloudwatch';
import { Schedule, ScheduleExpression, ScheduleGroup, type IScheduleGroup } from 'aws-cdk-lib/aws-scheduler';
import type { StateMachine } from 'aws-cdk-lib/aws-stepfunctions';
import { Construct } from 'constructs';
import { parseDuration } from '../lambdas/domain/duration.ts';
import { METRIC_NAMESPACE, METRICS, POLICY_DIMENSION } from '../lambdas/domain/metrics.ts';
import { LifeboatFunction, type Surroundings } from './lifeboat-function.ts';
import { permit } from './permissions.ts';
import { ScheduledCaller } from './policy-schedules.ts';
import { KEYS } from './recovery-point-bucket.ts';

const INTERVAL = Duration.minutes(15);
const { manifests, proofs, operations, restores, locks, policies } = KEYS;

type MetricKey = keyof typeof METRICS;

/** What each count means to whoever is woken; the age itself has no alarm, for `beyondObjective` judges it. */
const MEANINGS: Readonly<Record<Exclude<MetricKey, 'oldestVerifiedAge'>, string>> = {
  beyondObjective: 'has control planes without a verified recovery point as new as its objective demands',
  missing:
    'no longer finds control planes that it has backed up, or a management cluster no longer serves their platform; dismiss what is gone on purpose with "lifeboat dismiss"',
  failing: 'failed or selected nothing when it was last run, or its schedule is missing or disabled',
  credentialsNearExpiry: 'uses credentials of management clusters that end within 14 days',
  outlivedLocks: 'has control planes on which an operation died: a lock or a restore that was begun is left',
};

interface Observed {
  readonly machine: StateMachine;
  readonly restoreMachine: StateMachine;
  /** Of the policies' schedules. */
  readonly group: IScheduleGroup;
}

/** The function that judges every policy each quarter of an hour, the alarms on what it finds, and the dashboard. */
export class Observability extends Construct {
  constructor(scope: Construct, id: string, surroundings: Surroundings, observed: Observed) {
    super(scope, id);
    this.#scheduleReports(surroundings, observed);
    const policies = Object.keys(surroundings.configuration.policies ?? {});
    for (const policy of policies) this.#addAlarms(policy, surroundings);
    this.#addDashboard(surroundings, observed);
  }

  #scheduleReports(surroundings: Surroundings, { group }: Observed): void {
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
    const caller = new ScheduledCaller(this, 'Caller', { surroundings, called: report, group: ownGroup });
    new Schedule(this, 'Schedule', {
      description: 'Judges the policies of Lifeboat',
      schedule: ScheduleExpression.rate(INTERVAL),
      target: caller.target({}),
    });
  }

  #addAlarms(policy: string, { alarms }: Surroundings): void {
    const own = new Construct(this, policy);
    for (const [key, meaning] of Object.entries(MEANINGS) as [keyof typeof MEANINGS, string][]) {
      alarms.add(own, METRICS[key].name, {
        metric: metricOf(key, policy),
        description: `Policy ${policy} ${meaning}. "lifeboat status" says more.`,
        // Twice in a row, for a report may be late; and no report at all means that nobody knows.
        ...(key === 'beyondObjective' && { periods: 2, silenceIsAlarming: true }),
      });
    }
  }

  #addDashboard({ configuration, deployment, alarms }: Surroundings, { machine, restoreMachine }: Observed): void {
    const policies = Object.entries(configuration.policies ?? {});
    const names = policies.map(([name]) => name);
    const counts = (Object.keys(MEANINGS) as (keyof typeof MEANINGS)[]).map((key) =>
      graph(METRICS[key].name, key, names),
    );
    const ages = policies.map(
      ([name, { objective }]) =>
        new GraphWidget({
          title: `${name}: age of the newest verified recovery point of the worst control plane`,
          width: 12,
          left: [metricOf('oldestVerifiedAge', name)],
          leftAnnotations: [{ label: `objective ${objective}`, value: parseDuration(objective) / 1000 }],
          leftYAxis: { min: 0, label: 'seconds', showUnits: false },
        }),
    );
    const widgets: IWidget[] = [
      new TextWidget({
        markdown: `Recovery points of ${deployment.stackName}. An age below the objective on every line, and no alarm: all is well.`,
        width: 24,
        height: 1,
      }),
      new AlarmStatusWidget({ title: 'Alarms', alarms: alarms.all, width: 24, height: 6 }),
      ...ages,
      ...counts,
      executionsGraph('Runs', machine),
      executionsGraph('Restores', restoreMachine),
    ];
    new Dashboard(this, 'Dashboard', { dashboardName: deployment.stackName, widgets: [widgets] });
  }
}

function executionsGraph(title: string, machine: StateMachine): GraphWidget {
  return new GraphWidget({
    title,
    width: 12,
    left: [machine.metricStarted(), machine.metricSucceeded(), machine.metricFailed(), machine.metricTimedOut()],
    leftYAxis: { min: 0 },
  });
}

function graph(title: string, key: MetricKey, policies: readonly string[]): GraphWidget {
  return new GraphWidget({
    title,
    width: 12,
    left: policies.map((policy) => metricOf(key, policy).with({ label: policy })),
    leftYAxis: { min: 0 },
  });
}

function metricOf(key: MetricKey, policy: string): Metric {
  return new Metric({
    namespace: METRIC_NAMESPACE,
    metricName: METRICS[key].name,
    dimensionsMap: { [POLICY_DIMENSION]: policy },
    statistic: 'Maximum',
    period: INTERVAL,
  });
}
