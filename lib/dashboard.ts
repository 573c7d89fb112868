import { Aws, Duration } from 'aws-cdk-lib';
import {
  AlarmStatusWidget,
  Dashboard,
  GraphWidget,
  Metric,
  TextWidget,
  type IMetric,
  type IWidget,
} from 'aws-cdk-lib/aws-cloudwatch';
import type { StateMachine } from 'aws-cdk-lib/aws-stepfunctions';
import type { Construct } from 'constructs';
import { METRIC_NAMESPACE, METRICS, policyDimensions, type Dimensions } from '../lambdas/domain/metrics.ts';
import { objectiveMilliseconds } from '../lambdas/domain/policy.ts';
import type { LifeboatFunction, Surroundings } from './lifeboat-function.ts';

/** How often the policies are judged. */
export const REPORT_INTERVAL = Duration.minutes(15);

/** Of alarms, and of lines of a graph that anybody can still read (CloudWatch itself draws 500). */
const MOST_A_WIDGET = 100;

type MetricKey = keyof typeof METRICS;
const COUNTS = (Object.keys(METRICS) as MetricKey[]).filter((key) => METRICS[key].unit === 'Count');

export interface Dashboarded {
  readonly machine: StateMachine;
  readonly restoreMachine: StateMachine;
  readonly functions: readonly LifeboatFunction[];
}

/** One dashboard with every alarm, every metric of ours, and what the machines and functions do. */
export function addDashboard(
  scope: Construct,
  { configuration, deployment: { stackName }, alarms }: Surroundings,
  { machine, restoreMachine, functions }: Dashboarded,
): void {
  const policies = Object.entries(configuration.policies ?? {});
  const ages = policies.map(
    ([name, policy]) =>
      new GraphWidget({
        title: `${name}: age of the newest verified recovery point of the worst control plane`,
        width: 12,
        left: [metricOf('oldestVerifiedAge', policyDimensions(stackName, name))],
        leftAnnotations: [{ label: 'objective', value: objectiveMilliseconds(policy) / 1000 }],
        leftYAxis: { min: 0, label: 'seconds', showUnits: false },
      }),
  );
  const counts = COUNTS.flatMap((key) =>
    graphs(
      METRICS[key].name,
      policies.map(([name]) => metricOf(key, policyDimensions(stackName, name)).with({ label: name })),
    ),
  );
  const sum = { period: Duration.minutes(5), statistic: 'Sum' };
  const ofFunctions = (title: string, metric: (one: LifeboatFunction) => Metric) =>
    graphs(
      title,
      functions.map((one) => metric(one).with({ label: one.name })),
    );
  const widgets: IWidget[] = [
    new TextWidget({
      markdown: `Recovery points of ${stackName}. An age below the objective on every line, and no alarm: all is well.`,
      width: 24,
      height: 1,
    }),
    ...inLots(alarms.all).map((lot) => new AlarmStatusWidget({ title: 'Alarms', alarms: lot, width: 24, height: 6 })),
    ...ages,
    ...counts,
    executionsGraph('Runs', machine),
    executionsGraph('Restores', restoreMachine),
    // Without alarms: what a machine tries again may heal, and what fails for good rings as a run, a restore or a dead letter.
    ...ofFunctions('Failed calls of functions', (one) => one.function.metricErrors(sum)),
    ...ofFunctions('Throttled calls of functions', (one) => one.function.metricThrottles(sum)),
  ];
  // Dashboards are the account's, not the region's.
  new Dashboard(scope, 'Dashboard', { dashboardName: `${stackName}-${Aws.REGION}`, widgets: [widgets] });
}

/** A metric that `report-status` writes. */
export function metricOf(key: MetricKey, dimensions: Dimensions): Metric {
  return new Metric({
    namespace: METRIC_NAMESPACE,
    metricName: METRICS[key].name,
    dimensionsMap: { ...dimensions },
    statistic: 'Maximum',
    period: REPORT_INTERVAL,
  });
}

function executionsGraph(title: string, machine: StateMachine): GraphWidget {
  return new GraphWidget({
    title,
    width: 12,
    left: [machine.metricStarted(), machine.metricSucceeded(), machine.metricFailed(), machine.metricTimedOut()],
    leftYAxis: { min: 0 },
  });
}

function graphs(title: string, metrics: readonly IMetric[]): GraphWidget[] {
  return inLots(metrics).map((left) => new GraphWidget({ title, width: 12, left, leftYAxis: { min: 0 } }));
}

function inLots<T>(all: readonly T[]): T[][] {
  return Array.from({ length: Math.ceil(all.length / MOST_A_WIDGET) }, (_, lot) =>
    all.slice(lot * MOST_A_WIDGET, (lot + 1) * MOST_A_WIDGET),
  );
}
