import { Annotations, Aws } from 'aws-cdk-lib';
import { Effect, PolicyStatement, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { Topic, type ITopic } from 'aws-cdk-lib/aws-sns';
import { EmailSubscription } from 'aws-cdk-lib/aws-sns-subscriptions';
import type { Construct } from 'constructs';
import type { Deployment } from '../lambdas/domain/deployment.ts';
import { acknowledge } from './permissions.ts';

/** The topic that hears of all alarms: the user's own, or one that writes to an address; undefined, with a warning, where nobody is to hear. */
export function alarmTopic(scope: Construct, { alarms }: Deployment): ITopic | undefined {
  if (alarms === undefined) {
    Annotations.of(scope).addWarningV2(
      'lifeboat:nobodyHearsOfAlarms',
      'Nobody hears of the alarms. Write "aws: { alarms: { email: <address> } }" or "{ topic: <ARN> }" into lifeboat.yaml.',
    );
    return undefined;
  }
  const { email, topic: own } = alarms;
  if (own !== undefined) return Topic.fromTopicArn(scope, 'AlarmTopic', own);
  const topic = new Topic(scope, 'Alarms', { displayName: 'Lifeboat', enforceSSL: true });
  // A policy of its own takes the place of the one by which alarms of the account may publish.
  topic.addToResourcePolicy(
    new PolicyStatement({
      effect: Effect.ALLOW,
      principals: [new ServicePrincipal('cloudwatch.amazonaws.com')],
      actions: ['sns:Publish'],
      resources: [topic.topicArn],
      conditions: { StringEquals: { 'aws:SourceAccount': Aws.ACCOUNT_ID } },
    }),
  );
  acknowledge(
    topic,
    'SNS2',
    'An alarm names a policy and says what to do; alarms cannot publish with the key of AWS, and a key of its own costs more than all alarms.',
  );
  if (email !== undefined) topic.addSubscription(new EmailSubscription(email));
  return topic;
}
