import { Duration } from 'aws-cdk-lib';
import type { Rule } from 'aws-cdk-lib/aws-events';
import { PolicyStatement, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { Queue, QueueEncryption, type IQueue } from 'aws-cdk-lib/aws-sqs';
import type { Construct } from 'constructs';
import type { Alarms } from './alarms.ts';
import { EVENTS } from './called-by-rules.ts';
import { acknowledge } from './permissions.ts';
import { OUTLIVES_ITS_STACK } from './removal.ts';

/** Keeps for two weeks what could not be delivered, and rings; `what` reads on from "could not be delivered to ". */
export class DeadLetterQueue extends Queue {
  constructor(scope: Construct, id: string, { what, alarms }: { readonly what: string; readonly alarms: Alarms }) {
    super(scope, id, {
      retentionPeriod: Duration.days(14),
      encryption: QueueEncryption.SQS_MANAGED,
      enforceSSL: true,
      removalPolicy: OUTLIVES_ITS_STACK,
    });
    acknowledge(this, 'SQS3', 'It is itself where dead letters go; nothing reads it but people.');
    alarms.add(this, 'NotEmptyAlarm', {
      metric: this.metricApproximateNumberOfMessagesVisible({ period: Duration.minutes(5), statistic: 'Maximum' }),
      description: `Something could not be delivered to ${what}, or was given up there. The messages in the queue say what and why.`,
    });
  }

  /**
   * Lets rules (`rulesNamed`) put here what they could not deliver, by one statement for all: SQS takes 20 in a policy. Gives the queue as
   * their targets are to have it: to any other they add a statement each.
   */
  takeFrom(rules: string): IQueue {
    this.addToResourcePolicy(
      new PolicyStatement({
        sid: 'RulesPutWhatTheyCouldNotDeliver',
        principals: [new ServicePrincipal(EVENTS)],
        actions: ['sqs:SendMessage'],
        resources: [this.queueArn],
        conditions: { ArnLike: { 'aws:SourceArn': rules } },
      }),
    );
    return Queue.fromQueueArn(this, 'OfRules', this.queueArn);
  }

  /** A rule may have something to put here as soon as it is there. */
  isReadyBefore(rule: Rule): void {
    rule.node.addDependency(this.node.findChild('Policy'));
  }
}
