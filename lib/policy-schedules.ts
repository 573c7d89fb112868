import { Aws, Duration, RemovalPolicy, TimeZone } from 'aws-cdk-lib';
import { Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import {
  ContextAttribute,
  Schedule,
  ScheduleExpression,
  ScheduleGroup,
  ScheduleTargetInput,
  TimeWindow,
  type IScheduleGroup,
  type IScheduleTarget,
} from 'aws-cdk-lib/aws-scheduler';
import type { StateMachine } from 'aws-cdk-lib/aws-stepfunctions';
import { Construct } from 'constructs';
import { scheduleName } from '../lambdas/domain/policy-run.ts';
import { schedulesOf } from '../lambdas/domain/policy.ts';
import type { DeadLetterQueue } from './dead-letter-queue.ts';
import { LifeboatFunction, type Surroundings } from './lifeboat-function.ts';
import { permit } from './permissions.ts';
import { SHORT_STACK_ID } from './stack-id.ts';

/** Schedules of EventBridge for every policy, and the function that starts its runs. */
export class PolicySchedules extends Construct {
  readonly group: IScheduleGroup;
  readonly starter: LifeboatFunction;

  constructor(scope: Construct, id: string, surroundings: Surroundings, machine: StateMachine) {
    super(scope, id);
    const { configuration, deployment } = surroundings;
    const start = new LifeboatFunction(this, 'start-policy-run', surroundings, {
      description: 'Starts the run of a policy when its schedule fires',
      timeoutSeconds: 60,
      memoryMegabytes: 256,
      calledBy: 'events',
    });
    this.starter = start;
    start.tell('LIFEBOAT_STATE_MACHINE_ARN', machine.stateMachineArn);
    permit(start.role, { actions: ['states:StartExecution'], resources: [machine.stateMachineArn] });
    this.group = new ScheduleGroup(this, 'Group', {
      // A group that is deleted keeps its name until its last schedule is gone.
      scheduleGroupName: `${deployment.stackName}-${SHORT_STACK_ID}`,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    const caller = new ScheduledCaller(this, 'Caller', { called: start, group: this.group });
    for (const [name, policy] of Object.entries(configuration.policies ?? {})) {
      for (const [index, { expression, timeZone }] of schedulesOf(policy).entries()) {
        const schedule = new Schedule(this, scheduleName(name, index), {
          scheduleName: scheduleName(name, index),
          scheduleGroup: this.group,
          description: `Runs policy ${name}`,
          schedule: ScheduleExpression.expression(expression, TimeZone.of(timeZone)),
          timeWindow:
            policy.flexibleWindowMinutes === 0
              ? TimeWindow.off()
              : TimeWindow.flexible(Duration.minutes(policy.flexibleWindowMinutes)),
          // The time that was meant, not the time of the call: a slot delivered twice is one run.
          target: caller.target({ policy: name, slot: ContextAttribute.scheduledTime }),
        });
        caller.isReadyBefore(schedule);
      }
    }
  }
}

interface ScheduledCallerOptions {
  readonly called: LifeboatFunction;
  /** Only schedules of this group may use the role. */
  readonly group: IScheduleGroup;
}

/** Lets schedules call one function, and keeps what Lambda would not take. */
export class ScheduledCaller extends Construct {
  readonly #role: Role;
  readonly #queue: DeadLetterQueue;
  readonly #functionArn: string;

  constructor(scope: Construct, id: string, { called, group }: ScheduledCallerOptions) {
    super(scope, id);
    this.#functionArn = called.version.functionArn;
    if (called.undelivered === undefined) throw new Error(`${called.name} is not called by events`);
    this.#queue = called.undelivered;
    this.#role = new Role(this, 'Role', {
      assumedBy: new ServicePrincipal('scheduler.amazonaws.com', {
        conditions: {
          StringEquals: { 'aws:SourceAccount': Aws.ACCOUNT_ID, 'aws:SourceArn': group.scheduleGroupArn },
        },
      }),
      description: `Lifeboat: schedules call ${called.node.id}`,
    });
    called.permitCalls(this.#role);
    permit(this.#role, { actions: ['sqs:SendMessage'], resources: [this.#queue.queueArn] });
  }

  /** A schedule may fire as soon as it is there. */
  isReadyBefore(schedule: Schedule): void {
    schedule.node.addDependency(this.#role);
  }

  target(input: object): IScheduleTarget {
    return {
      bind: () => ({
        arn: this.#functionArn,
        role: this.#role,
        input: ScheduleTargetInput.fromObject(input),
        // Lambda only takes the event in; when it cannot for an hour, the next run is nearer than this one.
        retryPolicy: { maximumEventAgeInSeconds: 3600, maximumRetryAttempts: 30 },
        deadLetterConfig: { arn: this.#queue.queueArn },
      }),
    };
  }
}
