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
  type TargetBaseProps,
} from 'aws-cdk-lib/aws-events-targets';
import { Topic } from 'aws-cdk-lib/aws-sns';
import { Queue } from 'aws-cdk-lib/aws-sqs';
import { StateMachine } from 'aws-cdk-lib/aws-stepfunctions';
import { Construct } from 'constructs';
import type { Hook } from '../lambdas/domain/hooks.ts';
import { STEPS } from '../statemachines/back-up-fleet/steps.ts';
import { VERIFICATION } from './back-up-fleet.ts';
import { CalledByRules, EVENTS, rulesNamed } from './called-by-rules.ts';
import { DeadLetterQueue } from './dead-letter-queue.ts';
import { LifeboatFunction, type Surroundings } from './lifeboat-function.ts';
import { KEYS } from './recovery-point-bucket.ts';
import { OUTLIVES_ITS_STACK } from './removal.ts';

/** Verifies every recovery point whose manifest arrives in the bucket, by whomever it was put there. */
export class Arrivals extends Construct {
  readonly verifier: LifeboatFunction;

  constructor(scope: Construct, id: string, surroundings: Surroundings) {
    super(scope, id);
    const { store, deployment } = surroundings;
    this.verifier = new LifeboatFunction(this, 'verify-arrived-point', surroundings, {
      description: 'Verifies a recovery point when its manifest arrives',
      ...VERIFICATION,
      timeoutSeconds: STEPS['verify-recovery-point'].timeoutSeconds,
      store: { read: [KEYS.points], write: [KEYS.proofs] },
      calledBy: 'events',
    });
    const ruleName = `${deployment.stackName}-manifest-arrived`;
    const rules = rulesNamed(this, ruleName);
    const { undelivered } = this.verifier;
    if (undelivered === undefined) throw new Error(`${this.verifier.name} is not called by events`);
    const called = new CalledByRules(this, 'Called', { functionArn: this.verifier.version.functionArn, rules });
    // What was matched before a deployment is tried on with the version that was there then, as long as it is young enough.
    called.permission.applyRemovalPolicy(OUTLIVES_ITS_STACK);
    acceptTargets(this);
    // S3 sends its events to the account's default bus only.
    const rule = new Rule(this, 'ManifestArrived', {
      ruleName,
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
        new LambdaFunction(called.function, {
          deadLetterQueue: undelivered.takeFrom(rules),
          maxEventAge: Duration.hours(2),
          retryAttempts: 30,
        }),
      ],
    });
    called.isReadyBefore(rule);
    undelivered.isReadyBefore(rule);
  }
}

/** Rules on the application's bus for the targets of the user's own: those of the configuration and of every policy. */
export class Hooks extends Construct {
  readonly #bus: IEventBus;
  /** As rights name them: all of the bus. */
  readonly #rules: string;
  readonly #functions = new Map<string, CalledByRules>();

  constructor(scope: Construct, id: string, { configuration, bus, alarms }: Surroundings) {
    super(scope, id);
    this.#bus = bus;
    this.#rules = rulesNamed(this, `${bus.eventBusName}/*`);
    const { hooks = [], policies = {} } = configuration;
    const all = [
      { of: 'All', hooks, detail: {} },
      ...Object.entries(policies).map(([name, policy]) => ({
        of: name,
        hooks: policy.hooks ?? [],
        detail: { policy: [name] },
      })),
    ].flatMap(({ of, detail, ...group }) =>
      group.hooks.map((hook, index) => ({ name: `${of}-${index + 1}`, hook, detail })),
    );
    if (all.length === 0) return;
    acceptTargets(this);
    const undelivered = new DeadLetterQueue(this, 'Undelivered', { what: 'hooks', alarms });
    const delivery = {
      deadLetterQueue: undelivered.takeFrom(this.#rules),
      maxEventAge: Duration.hours(24),
      retryAttempts: 185,
    };
    for (const { name, hook, detail } of all) undelivered.isReadyBefore(this.#add(name, hook, detail, delivery));
    if (!all.some(({ hook: { sns, sqs } }) => sns !== undefined || sqs !== undefined)) return;
    // The policy of a topic or queue of the user's cannot be amended from here, only replaced.
    new CfnOutput(this, 'Rules', {
      value: this.#rules,
      description: `The policy of a topic or queue must let ${EVENTS} send for these rules (ArnLike, aws:SourceArn)`,
    }).overrideLogicalId('HookRules');
  }

  #add(id: string, hook: Hook, detail: Readonly<Record<string, string[]>>, delivery: TargetBaseProps): Rule {
    const scope = new Construct(this, id);
    const rule = new Rule(scope, 'Rule', {
      eventBus: this.#bus,
      description: `Tells a target of yours of ${hook.on.join(', ')}`,
      eventPattern: { detailType: hook.on, ...(Object.keys(detail).length > 0 && { detail }) },
      targets: [this.#target(scope, hook, delivery)],
    });
    if (hook.lambda !== undefined) this.#calledBy(hook.lambda).isReadyBefore(rule);
    return rule;
  }

  /** Made once a function, however many hooks it has. */
  #calledBy(functionArn: string): CalledByRules {
    const called =
      this.#functions.get(functionArn) ?? new CalledByRules(this, functionArn, { functionArn, rules: this.#rules });
    this.#functions.set(functionArn, called);
    return called;
  }

  #target(scope: Construct, hook: Hook, options: TargetBaseProps): IRuleTarget {
    const { lambda, sns, sqs, stateMachine, https } = hook;
    if (lambda !== undefined) return new LambdaFunction(this.#calledBy(lambda).function, options);
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

/** The library cannot know where a target is that is given by its ARN. */
function acceptTargets(scope: Construct): void {
  Validations.of(scope).acknowledge({
    id: '@aws-cdk/aws-events:ruleUnresolvedEnvironment',
    reason: 'Targets are where the stack is, and that is checked when the configuration says where.',
  });
}
