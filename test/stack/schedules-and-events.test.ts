import { describe, expect, it } from '@jest/globals';
import * as z from 'zod';
import { EVENT_DETAILS, type EventDetail } from '../../lambdas/domain/events.ts';
import { METRIC_NAMESPACE, METRICS } from '../../lambdas/domain/metrics.ts';
import { scheduleName } from '../../lambdas/domain/policy-run.ts';
import { schedulesOf } from '../../lambdas/domain/policy.ts';
import { objectCreatedSchema } from '../../lambdas/domain/stored-object-event.ts';
import { objectCreated } from '../unit/handlers/aws-events.ts';
import { matchesWildcards } from '../suite/iam-wildcards.ts';
import { matchesPattern } from './event-pattern.ts';
import { asText, configurationWith, synthesize } from './synthesized.ts';

const ACCOUNT = 'eu-central-1:111122223333';
const SECTIONS = {
  policies: {
    nightly: {
      schedule: '0 3 * * *',
      timeZone: 'Europe/Berlin',
      flexibleWindowMinutes: 30,
      retention: { daily: 7 },
      hooks: [
        { on: ['PolicyRunFinished'], sns: `arn:aws:sns:${ACCOUNT}:backups` },
        { on: ['RecoveryPointRefused'], https: { url: 'https://hooks.example.com/refused', secret: 'hooks/refused' } },
      ],
    },
    // A day of month and a day of week: either, which takes two schedules.
    either: { schedule: '0 4 1 * SUN', retention: { last: 3 } },
  },
  hooks: [
    { on: ['RecoveryPointVerified', 'RecoveryPointRefused'], lambda: `arn:aws:lambda:${ACCOUNT}:function:notify` },
    { on: ['RecoveryPointVerified'], sqs: `arn:aws:sqs:${ACCOUNT}:verified` },
    { on: ['RecoveryPointVerified'], stateMachine: `arn:aws:states:${ACCOUNT}:stateMachine:rehearse` },
  ],
};
const template = synthesize(SECTIONS);
const configuration = configurationWith(SECTIONS);

const scheduleSchema = z.object({
  Name: z.string().optional(),
  GroupName: z.unknown().optional(),
  ScheduleExpression: z.string(),
  ScheduleExpressionTimezone: z.string().optional(),
  FlexibleTimeWindow: z.object({ Mode: z.string(), MaximumWindowInMinutes: z.number().optional() }),
  Target: z.object({
    Arn: z.unknown().transform(asText),
    Input: z.string().transform((text) => JSON.parse(text) as unknown),
    RetryPolicy: z.object({ MaximumEventAgeInSeconds: z.number(), MaximumRetryAttempts: z.number() }),
    DeadLetterConfig: z.object({ Arn: z.unknown().transform(asText) }),
  }),
});
const schedules = template.ofType('AWS::Scheduler::Schedule').map(({ Properties }) => scheduleSchema.parse(Properties));

describe('the schedules', () => {
  it('are those of every policy, under the names that report-status looks for', () => {
    const expected = Object.entries(configuration.policies ?? {}).flatMap(([policy, settings]) =>
      schedulesOf(settings).map(({ expression, timeZone }, index) => [
        scheduleName(policy, index),
        expression,
        timeZone,
      ]),
    );
    expect(expected).toHaveLength(3);
    const found = schedules
      .filter(({ GroupName }) => GroupName !== undefined)
      .map((schedule) => [schedule.Name, schedule.ScheduleExpression, schedule.ScheduleExpressionTimezone]);
    expect(found.sort()).toEqual(expected.sort());
  });

  it('start the policy with the time that was meant', () => {
    const nightly = schedules.find(({ Name }) => Name === 'nightly-1');
    expect(nightly?.Target.Input).toEqual({ policy: 'nightly', slot: '<aws.scheduler.scheduled-time>' });
    expect(nightly?.Target.Arn).toMatch(/^<PolicySchedulesStartPolicyRunFunctionCurrentVersion\w+>$/);
    expect(nightly?.FlexibleTimeWindow).toEqual({ Mode: 'FLEXIBLE', MaximumWindowInMinutes: 30 });
    expect(schedules.find(({ Name }) => Name === 'either-1')?.FlexibleTimeWindow).toEqual({ Mode: 'OFF' });
  });

  it('keep what could not be delivered within an hour', () => {
    const queues = template.ofType('AWS::SQS::Queue').map(({ id }) => `<${id}.Arn>`);
    for (const { Target } of schedules) {
      expect(queues).toContain(Target.DeadLetterConfig.Arn);
      expect(Target.RetryPolicy).toEqual({ MaximumEventAgeInSeconds: 3600, MaximumRetryAttempts: 30 });
    }
  });

  it('call nothing before the caller and the called have their rights', () => {
    const policyOf = (role: string) =>
      template.ofType('AWS::IAM::Policy').find(({ Properties }) => asText([Properties['Roles']].flat()[0]) === role)
        ?.id;
    const resource = (reference: string) =>
      template.resources.find(
        ({ id }) => reference.startsWith(`<${id}`) && /^[.>]/.test(reference.slice(id.length + 1)),
      );
    for (const { id, Properties, DependsOn } of template.ofType('AWS::Scheduler::Schedule')) {
      const { Arn, RoleArn } = Properties['Target'] as Record<string, unknown>;
      expect([id, DependsOn]).toEqual([
        id,
        expect.arrayContaining([policyOf(`<${resource(asText(RoleArn))?.id ?? ''}>`)]),
      ]);
      const called = resource(asText(resource(asText(Arn))?.Properties['FunctionName']));
      const role = resource(asText(called?.Properties['Role']));
      expect([id, called?.DependsOn]).toEqual([id, expect.arrayContaining([policyOf(`<${role?.id ?? ''}>`)])]);
    }
  });

  it('judge the policies every quarter of an hour', () => {
    const own = schedules.filter(({ Target }) => Target.Arn.startsWith('<ObservabilityReportStatus'));
    expect(own.map(({ ScheduleExpression }) => ScheduleExpression)).toEqual(['rate(15 minutes)']);
  });
});

const ruleSchema = z.object({
  EventBusName: z.unknown().optional(),
  EventPattern: z.looseObject({}),
  Targets: z.array(
    z.object({
      Arn: z.unknown().transform(asText),
      RoleArn: z.unknown().optional(),
      DeadLetterConfig: z.object({ Arn: z.unknown().transform(asText) }),
    }),
  ),
});
const queuePolicySchema = z.object({
  Queues: z.array(z.unknown().transform(asText)),
  PolicyDocument: z.object({
    Statement: z.array(
      z.object({
        Condition: z.object({ ArnLike: z.record(z.string(), z.unknown().transform(asText)).optional() }),
      }),
    ),
  }),
});
const rules = template.ofType('AWS::Events::Rule').map(({ Properties }) => ruleSchema.parse(Properties));

describe.each(template.ofType('AWS::Events::Rule'))('the rule $id', ({ id, Properties, DependsOn }) => {
  const { EventBusName, Targets } = ruleSchema.parse(Properties);
  const resourceName =
    EventBusName === undefined ? asText(Properties['Name']) : `${asText(EventBusName)}/lifeboat-${id}-1A2B3C`;
  const arn = `arn:<AWS::Partition>:events:<AWS::Region>:<AWS::AccountId>:rule/${resourceName}`;
  const rights = [
    ...template.ofType('AWS::SQS::QueuePolicy').flatMap((policy) => {
      const { Queues, PolicyDocument } = queuePolicySchema.parse(policy.Properties);
      const isOfTarget = Targets.some(({ DeadLetterConfig }) =>
        Queues.includes(DeadLetterConfig.Arn.replace('.Arn', '')),
      );
      const sources = PolicyDocument.Statement.flatMap(({ Condition }) => Condition.ArnLike?.['aws:SourceArn'] ?? []);
      return isOfTarget ? [{ of: policy.id, sources }] : [];
    }),
    ...template
      .ofType('AWS::Lambda::Permission')
      .filter(({ Properties: { FunctionName } }) => Targets.some(({ Arn }) => Arn === asText(FunctionName)))
      .map((permission) => ({ of: permission.id, sources: [asText(permission.Properties['SourceArn'])] })),
  ];

  it('matches nothing before its targets may be called and its queue takes what they would not', () => {
    expect(rights).toHaveLength(/:lambda:|Function/.test(Targets[0]?.Arn ?? '') ? 2 : 1);
    for (const { of, sources } of rights) {
      expect(DependsOn).toContain(of);
      expect([of, sources.some((source) => matchesWildcards(source, arn))]).toEqual([of, true]);
      expect(sources.filter((source) => source.includes(`<${id}`))).toEqual([]);
    }
  });
});

describe('the rule for arrivals', () => {
  const [rule] = rules.filter(({ EventBusName }) => EventBusName === undefined);
  const bucket = { Ref: template.one('AWS::S3::Bucket').id };
  // The bucket's name is known at deployment only.
  const pattern = JSON.parse(
    JSON.stringify(rule?.EventPattern).replace(JSON.stringify(bucket), '"lifeboat-1"'),
  ) as unknown;
  const arrives = (name: string, key: string) => {
    const event = objectCreated(name, key);
    expect(objectCreatedSchema.safeParse(event).success).toBe(true);
    return matchesPattern(pattern, event);
  };
  const POINT = 'recovery-points/hypershift/mgmt-a/clusters/prod/20260102T030405Z-a1b2';

  it('takes a manifest in, however it was written', () => {
    expect(arrives('lifeboat-1', `${POINT}/manifest.json`)).toBe(true);
    const copied = objectCreated('lifeboat-1', `${POINT}/manifest.json`);
    expect(matchesPattern(pattern, { ...copied, detail: { ...copied.detail, reason: 'CopyObject' } })).toBe(true);
  });

  it.each([
    ['a snapshot', 'lifeboat-1', `${POINT}/etcd-main.db.zst`],
    ['a proof: verifying would start itself', 'lifeboat-1', `${POINT}/proofs/live-20260102T030405Z.json`],
    ['a manifest of something else', 'lifeboat-1', 'staging/a/manifest.json'],
    ['another bucket', 'lifeboat-2', `${POINT}/manifest.json`],
  ])('leaves %s out', (_, name, key) => {
    expect(arrives(name, key)).toBe(false);
  });

  it('leaves out what was deleted', () => {
    const event = { ...objectCreated('lifeboat-1', `${POINT}/manifest.json`), 'detail-type': 'Object Deleted' };
    expect(matchesPattern(pattern, event)).toBe(false);
  });

  it('calls the verifier and keeps what it would not take', () => {
    expect(rule?.Targets).toHaveLength(1);
    expect(rule?.Targets[0]?.Arn).toMatch(/^<ArrivalsVerifyArrivedPointFunctionCurrentVersion\w+>$/);
    expect(rule?.Targets[0]?.DeadLetterConfig.Arn).toMatch(/^<ArrivalsVerifyArrivedPointUndelivered\w+\.Arn>$/);
  });

  it('may go on to call the version for what it matched before a deployment', () => {
    const { UpdateReplacePolicy } = template.one('AWS::Lambda::Permission', 'Arrivals');
    expect(UpdateReplacePolicy).toBe('Retain');
  });
});

describe('a hook', () => {
  const hooks = rules.filter(({ EventBusName }) => EventBusName !== undefined);
  const finished: EventDetail<'PolicyRunFinished'> = {
    version: 1,
    runId: 'nightly-20260102T030000Z',
    policy: 'nightly',
    slot: '2026-01-02T03:00:00Z',
    status: 'partial',
    counts: { verified: 2, failed: 1, skipped: 0 },
    unreachableManagementClusters: [],
  };
  const verified: EventDetail<'RecoveryPointVerified'> = {
    version: 1,
    id: '20260102T030405Z-a1b2',
    controlPlane: 'mgmt-a/clusters/prod',
    controlPlaneUid: '7a2f9d3c-0b1e-4c55-9a51-3f0f6f6f2d11',
    platform: 'hypershift',
    policy: 'either',
    takenAt: '2026-01-02T03:04:05Z',
    manifestKey: 'recovery-points/hypershift/mgmt-a/clusters/prod/20260102T030405Z-a1b2/manifest.json',
    proofs: [],
  };
  /** Targets that hear of an event, as short names. */
  const toldOf = (type: keyof typeof EVENT_DETAILS, detail: object) => {
    expect(EVENT_DETAILS[type].safeParse(detail).error).toBeUndefined();
    const event = { source: 'lifeboat', 'detail-type': type, detail };
    return hooks
      .filter(({ EventPattern }) => matchesPattern(EventPattern, event))
      .flatMap(({ Targets }) => Targets.map(({ Arn }) => Arn.split(/[:.]/).at(Arn.startsWith('<') ? 0 : -1) ?? ''))
      .map((name) => name.replace(/^<(Hooks\D+)\d.*/, '$1'))
      .sort();
  };

  it('of the configuration hears of every policy, and of what no policy took', () => {
    expect(toldOf('RecoveryPointVerified', verified)).toEqual(['notify', 'rehearse', 'verified']);
    expect(toldOf('RecoveryPointVerified', { ...verified, policy: null })).toEqual(['notify', 'rehearse', 'verified']);
    expect(toldOf('RecoveryPointRefused', verified)).toEqual(['notify']);
  });

  it('of a policy hears of that one alone', () => {
    expect(toldOf('PolicyRunFinished', finished)).toEqual(['backups']);
    expect(toldOf('PolicyRunFinished', { ...finished, policy: 'either' })).toEqual([]);
    expect(toldOf('RecoveryPointRefused', { ...verified, policy: 'nightly' })).toHaveLength(2);
  });

  it('keeps what its target would not take', () => {
    expect(hooks).toHaveLength(5);
    for (const { Targets } of hooks) expect(Targets[0]?.DeadLetterConfig.Arn).toMatch(/^<HooksUndelivered\w+\.Arn>$/);
  });

  it('by HTTPS has its key from the secret, which is not in the template', () => {
    expect(template.one('AWS::Events::Connection').Properties).toMatchObject({
      AuthorizationType: 'API_KEY',
      AuthParameters: {
        ApiKeyAuthParameters: {
          ApiKeyName: 'Authorization',
          ApiKeyValue: '{{resolve:secretsmanager:hooks/refused:SecretString:::}}',
        },
      },
    });
    expect(template.one('AWS::Events::ApiDestination').Properties).toMatchObject({
      HttpMethod: 'POST',
      InvocationEndpoint: 'https://hooks.example.com/refused',
    });
  });

  it('to a topic or queue asks for one right for all of them', () => {
    expect(template.outputs['HookRules']).toMatch(/:events:.*:rule\/<Bus\w+>\/\*$/);
  });

  it('more takes no further right of the queue or of a function', () => {
    const on = ['PolicyRunFinished'];
    const notify = `arn:aws:lambda:${ACCOUNT}:function:notify`;
    const rightsWith = (count: number) => {
      const hooks = Array.from({ length: count }, () => ({ on, lambda: notify }));
      const many = synthesize({ hooks: [...hooks, { on, lambda: `${notify}:live` }] });
      expect(many.ofType('AWS::Events::Rule')).toHaveLength(count + 2);
      expect(many.findings).toEqual([]);
      const rights = [...many.ofType('AWS::SQS::QueuePolicy'), ...many.ofType('AWS::Lambda::Permission')];
      return rights.filter(({ id }) => id.startsWith('Hooks'));
    };
    const few = rightsWith(1);
    expect(few.map(({ Properties }) => Properties['FunctionName'])).toEqual([undefined, notify, `${notify}:live`]);
    expect(rightsWith(25)).toEqual(few);
  });

  it('has a reason for every finding of cdk-nag', () => {
    expect(template.findings).toEqual([]);
  });
});

describe('the alarms', () => {
  const alarmSchema = z.object({
    Namespace: z.string(),
    MetricName: z.string(),
    Dimensions: z.array(z.object({ Name: z.string(), Value: z.unknown() })),
    TreatMissingData: z.string(),
    AlarmDescription: z.string(),
  });
  const alarms = template.ofType('AWS::CloudWatch::Alarm').map(({ Properties }) => alarmSchema.parse(Properties));
  const counts = Object.values(METRICS).filter(({ unit }) => unit === 'Count');

  it.each(['nightly', 'either'])('look at the age of the recovery points of policy %s by itself', (policy) => {
    const own = alarms.filter(({ Dimensions }) =>
      Dimensions.some(({ Name, Value }) => Name === 'Policy' && Value === policy),
    );
    expect(own.map(({ MetricName }) => MetricName)).toEqual([METRICS.beyondObjective.name]);
  });

  it('look once at everything else that report-status counts', () => {
    const own = alarms.filter(({ Namespace }) => Namespace === METRIC_NAMESPACE).map(({ MetricName }) => MetricName);
    expect([...new Set(own)].sort()).toEqual(counts.map(({ name }) => name).sort());
    expect(own).toHaveLength(counts.length + 1);
  });

  it('ring at no silence, which there is from the deployment on, but tell when the reports end', () => {
    const silence = alarms.filter(({ TreatMissingData }) => TreatMissingData === 'missing');
    expect(silence).toMatchObject([{ MetricName: 'Invocations' }]);
    const told = synthesize({ aws: { alarms: { topic: `arn:aws:sns:${ACCOUNT}:on-call` } } })
      .ofType('AWS::CloudWatch::Alarm')
      .filter(({ Properties }) => 'InsufficientDataActions' in Properties);
    expect(told.map(({ Properties }) => Properties['MetricName'])).toEqual(['Invocations']);
  });

  it('are over when somebody has looked and found nothing, not when nobody looks', () => {
    const ofSilence = (isOwn: boolean) =>
      alarms
        .filter(
          ({ Namespace, MetricName }) => (Namespace === METRIC_NAMESPACE) === isOwn && MetricName !== 'Invocations',
        )
        .map(({ TreatMissingData }) => TreatMissingData);
    expect([...new Set(ofSilence(true))]).toEqual(['ignore']);
    expect([...new Set(ofSilence(false))]).toEqual(['notBreaching']);
  });

  it('look at every machine and at every queue', () => {
    const machines = template.ofType('AWS::StepFunctions::StateMachine').map(({ id }) => `<${id}>`);
    expect(machines).toHaveLength(2);
    for (const metric of ['ExecutionsFailed', 'ExecutionsTimedOut']) {
      const watched = alarms.filter(({ MetricName }) => MetricName === metric);
      expect(watched.flatMap(({ Dimensions }) => Dimensions.map(({ Value }) => asText(Value))).sort()).toEqual(
        machines.sort(),
      );
    }
    const depths = alarms.filter(({ MetricName }) => MetricName === 'ApproximateNumberOfMessagesVisible');
    expect(depths).toHaveLength(template.ofType('AWS::SQS::Queue').length);
  });

  it('are all on the dashboard, with every metric', () => {
    const body = asText(template.one('AWS::CloudWatch::Dashboard').Properties['DashboardBody']);
    for (const { id } of template.ofType('AWS::CloudWatch::Alarm')) expect(body).toContain(`<${id}.Arn>`);
    for (const { name } of Object.values(METRICS)) {
      expect(body).toContain(`"${name}","Policy","nightly","Stack","lifeboat"`);
    }
  });
});
