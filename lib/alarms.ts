import { Alarm, ComparisonOperator, TreatMissingData, type IMetric } from 'aws-cdk-lib/aws-cloudwatch';
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions';
import type { ITopic } from 'aws-cdk-lib/aws-sns';
import type { Construct } from 'constructs';

interface AlarmOptions {
  readonly metric: IMetric;
  /** For whoever is woken by it: what it means, and where to look first. */
  readonly description: string;
  /**
   * What it means that the metric is silent: nothing has happened, as with most metrics of AWS, or nobody has looked, as with our
   * own. The state stays as it is then: that nobody looks is not the end of what was seen. Nothing happened when left out.
   */
  readonly silence?: 'nothing-happened' | 'nobody-looked';
  /** Periods of the metric in a row that must have at least one; 1 when left out. */
  readonly periods?: number;
}

/** Every alarm of the application, for the dashboard and for the topic that hears of them. */
export class Alarms {
  readonly all: Alarm[] = [];
  readonly #topic: ITopic | undefined;

  constructor(topic: ITopic | undefined) {
    this.#topic = topic;
  }

  /** Adds an alarm that rings as soon as the metric is one or more. */
  add(scope: Construct, id: string, { metric, description, silence, periods = 1 }: AlarmOptions): void {
    const alarm = new Alarm(scope, id, {
      metric,
      alarmDescription: description,
      threshold: 1,
      comparisonOperator: ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
      evaluationPeriods: periods,
      treatMissingData: silence === 'nobody-looked' ? TreatMissingData.IGNORE : TreatMissingData.NOT_BREACHING,
    });
    this.#announce(alarm);
  }

  /**
   * Adds an alarm that tells when the metric has fallen silent. Its state is "insufficient data" then, as it is from its creation
   * until the first value: silence that counted as "in alarm" would ring at every first deployment.
   */
  addForSilence(
    scope: Construct,
    id: string,
    { metric, description, periods = 1 }: Omit<AlarmOptions, 'silence'>,
  ): void {
    const alarm = new Alarm(scope, id, {
      metric,
      alarmDescription: description,
      threshold: 1,
      comparisonOperator: ComparisonOperator.LESS_THAN_THRESHOLD,
      evaluationPeriods: periods,
      treatMissingData: TreatMissingData.MISSING,
    });
    this.#announce(alarm);
    if (this.#topic !== undefined) alarm.addInsufficientDataAction(new SnsAction(this.#topic));
  }

  #announce(alarm: Alarm): void {
    this.all.push(alarm);
    if (this.#topic === undefined) return;
    alarm.addAlarmAction(new SnsAction(this.#topic));
    alarm.addOkAction(new SnsAction(this.#topic));
  }
}
