import { CfnOutput, Duration, SecretValue, Validations } from 'aws-cdk-lib';
import {
  ApiDestination,
  Authorization,
  Connection,
  Match,
  Rule,
  type IApiDestination,
  type IEventBus,
  type IRuleTarget,
} from 'aws-cdk-lib/aws-events';
import {
  ApiDestination as ApiDestinationTarget,
  LambdaFunction,
  SfnStateMachine,
  SnsTopic,
  SqsQueue,
} from 'aws-cdk-lib/aws-events-targets';
import { Function } from 'aws-cdk-lib/aws-lambda';
import { Topic } from 'aws-cdk-lib/aws-sns';
import { Queue } from 'aws-cdk-lib/aws-sqs';
import { StateMachine } from 'aws-cdk-lib/aws-stepfunctions';
import { Construct } from 'constructs';
import type { Hook } from '../lambdas/domain/hooks.ts';
import { STEPS } from '../statemachines/back-up-fleet/steps.ts';
import { VERIFICATION } from './back-up-fleet.ts';
import { DeadLetterQueue } from './dead-letter-queue.ts';
import { LifeboatFunction, type Surroundings } from './lifeboat-function.ts';
import { KEYS } from './recovery-point-bucket.ts';

/** Verifies every recovery point whose manifest arrives in the bucket, by whomever it was put there. */
export class Arrivals extends Construct {
  readonly verifier: LifeboatFunction;

  constructor(scope: Construct, id: string, surroundings: Surroundings) {
    super(scope, id);
    const { store } = surroundings;
    this.verifier = new LifeboatFunction(this, 'verify-arrived-point', surroundings, {
      description: 'Verifies a recovery point when its manifest arrives',
      ...VERIFICATION,
      timeoutSeconds: STEPS['verify-recovery-point'].timeoutSeconds,
      store: { read: [KEYS.points], write: [KEYS.proofs] },
      calledBy: 'events',
    });
    const { undelivered } = this.verifier;
    // S3 sends its events to the account's default bus only.
    new Rule(this, 'ManifestArrived', {
      description: 'The manifest of a recovery point was written',
      eventPattern: {
        source: ['aws.s3'],
        detailType: ['Object Created'],
        detail: {
          bucket: { name: [store.bucket.bucketName] },
          object: { key: Match.wildcard(KEYS.manifests) },
        },
      },
      targets: [
        new LambdaFunction(this.verifier.version, {
          ...(undelivered !== undefined && { deadLetterQueue: undelivered }),
          maxEventAge: Duration.hours(2),
          retryAttempts: 30,
        }),
      ],
    });
  }
}

/** Rules on the application's bus for the targets of the user's own: those of the configuration and of every policy. */
export class Hooks extends Construct {
  readonly #bus: IEventBus;
  readonly #deadLetterQueue: DeadLetterQueue | undefined;

  constructor(scope: Construct, id: string, { configuration, bus, alarms }: Surroundings) {
    super(scope, id);
    const { hooks = [], policies = {} } = configuration;
    const all = [
      { of: 'All', hooks, detail: {} },
      ...Object.entries(policies).map(([name, policy]) => ({
        of: name,
        hooks: policy.hooks ?? [],
        detail: { policy: [name] },
      })),
    ].filter((group) => group.hooks.length > 0);
    this.#bus = bus;
    Validations.of(this).acknowledge({
      id: '@aws-cdk/aws-events:ruleUnresolvedEnvironment',
      reason: 'Targets are where the stack is, and that is checked when the configuration says where.',
    });
    if (all.length > 0) this.#deadLetterQueue = new DeadLetterQueue(this, 'Undelivered', { what: 'hooks', alarms });
    for (const group of all) {
      for (const [index, hook] of group.hooks.entries()) this.#add(`${group.of}-${index + 1}`, hook, group.detail);
    }
  }

  #add(id: string, hook: Hook, detail: Readonly<Record<string, string[]>>): void {
    const scope = new Construct(this, id);
    const rule = new Rule(scope, 'Rule', {
      eventBus: this.#bus,
      description: `Tells a target of yours of ${hook.on.join(', ')}`,
      eventPattern: { detailType: hook.on, ...(Object.keys(detail).length > 0 && { detail }) },
      targets: [this.#target(scope, hook)],
    });
    const { sns, sqs } = hook;
    if (sns === undefined && sqs === undefined) return;
    // The policy of a topic or queue of the user's cannot be amended from here, only replaced.
    new CfnOutput(scope, 'Allow', {
      value: rule.ruleArn,
      description: `The policy of ${sns ?? sqs ?? ''} must let events.amazonaws.com send for this rule (aws:SourceArn)`,
    });
  }

  #target(scope: Construct, { lambda, sns, sqs, stateMachine, https }: Hook): IRuleTarget {
    const options = {
      ...(this.#deadLetterQueue !== undefined && { deadLetterQueue: this.#deadLetterQueue }),
      maxEventAge: Duration.hours(24),
      retryAttempts: 185,
    };
    if (lambda !== undefined) {
      const attributes = { functionArn: lambda, sameEnvironment: true };
      return new LambdaFunction(Function.fromFunctionAttributes(scope, 'Function', attributes), options);
    }
    if (sns !== undefined) return new SnsTopic(Topic.fromTopicArn(scope, 'Topic', sns), options);
    if (sqs !== undefined) return new SqsQueue(Queue.fromQueueArn(scope, 'Queue', sqs), options);
    if (stateMachine !== undefined) {
      return new SfnStateMachine(StateMachine.fromStateMachineArn(scope, 'Machine', stateMachine), options);
    }
    if (https === undefined) throw new Error('a hook has no target');
    const connection = new Connection(scope, 'Connection', {
      description: `Lets Lifeboat call ${new URL(https.url).host}`,
      // CloudFormation reads the secret; EventBridge keeps a copy of its own.
      authorization: Authorization.apiKey('Authorization', SecretValue.secretsManager(https.secret)),
    });
    const destination = new ApiDestination(scope, 'Destination', {
      connection,
      endpoint: https.url,
      rateLimitPerSecond: 10,
    });
    return new ApiDestinationTarget(destination as IApiDestination, options);
  }
}
