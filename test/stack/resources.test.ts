import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import * as z from 'zod';
import { configurationSchema } from '../../lambdas/domain/configuration.ts';
import { ASSUMPTIONS } from '../../lib/costs/costs.ts';
import { parseAsl, readAsl, tasksOf } from '../workflow/asl.ts';
import { asText, configurationWith, nameOf, synthesize } from './synthesized.ts';

const template = synthesize();
const functions = template.ofType('AWS::Lambda::Function');

const MACHINES = [
  { machine: 'back-up-fleet', feature: 'BackUpFleet' },
  { machine: 'restore-control-plane', feature: 'RestoreControlPlane' },
];
/** Their names are taken until the last execution or schedule has ended. */
const SLOWLY_DELETED = ['AWS::StepFunctions::StateMachine', 'AWS::Scheduler::ScheduleGroup'];
const NAMES = ['Name', 'BucketName', 'LogGroupName', 'QueueName', 'StateMachineName', 'AliasName'];
/** In both machines, and made once. */
const SHARED = /^(Lock|Release)ControlPlane$/;

describe('the store', () => {
  const { Properties } = template.one('AWS::S3::Bucket');

  it('has versions, Object Lock and a rotated key of its own, is closed to the public, and tells EventBridge', () => {
    expect(Properties).toMatchObject({
      VersioningConfiguration: { Status: 'Enabled' },
      ObjectLockEnabled: true,
      PublicAccessBlockConfiguration: {
        BlockPublicAcls: true,
        BlockPublicPolicy: true,
        IgnorePublicAcls: true,
        RestrictPublicBuckets: true,
      },
      OwnershipControls: { Rules: [{ ObjectOwnership: 'BucketOwnerEnforced' }] },
      NotificationConfiguration: { EventBridgeConfiguration: { EventBridgeEnabled: true } },
    });
    const key = template.one('AWS::KMS::Key');
    expect(key.Properties).toMatchObject({ EnableKeyRotation: true });
    expect(JSON.stringify(Properties['BucketEncryption'])).toContain(`{"Fn::GetAtt":["${key.id}","Arn"]}`);
  });

  it('takes nothing below recovery-points/ that might overwrite what lies there, but parts of uploads', () => {
    const { Statement } = z
      .object({ PolicyDocument: z.object({ Statement: z.array(z.looseObject({ Sid: z.string().optional() })) }) })
      .parse(template.one('AWS::S3::BucketPolicy').Properties).PolicyDocument;
    const { id } = template.one('AWS::S3::Bucket');
    expect(Statement.filter(({ Sid }) => Sid === 'NobodyOverwritesARecoveryPoint')).toEqual([
      {
        Sid: 'NobodyOverwritesARecoveryPoint',
        Effect: 'Deny',
        Principal: { AWS: '*' },
        Action: 's3:PutObject',
        Resource: { 'Fn::Join': ['', [{ 'Fn::GetAtt': [id, 'Arn'] }, '/recovery-points/*']] },
        Condition: { Null: { 's3:if-none-match': 'true' }, Bool: { 's3:ObjectCreationOperation': 'true' } },
      },
    ]);
  });

  it('locks nothing by default: locks and proofs are written to it as well', () => {
    expect(Properties['ObjectLockConfiguration']).toBeUndefined();
  });

  it('takes no request without TLS 1.2, and lets nobody bypass a lock', () => {
    const { Statement } = z
      .object({ PolicyDocument: z.object({ Statement: z.array(z.looseObject({ Effect: z.string() })) }) })
      .parse(template.one('AWS::S3::BucketPolicy').Properties).PolicyDocument;
    const denials = Statement.filter(({ Effect }) => Effect === 'Deny');
    expect(denials).toHaveLength(Statement.length);
    expect(denials).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ Action: 's3:*', Condition: { Bool: { 'aws:SecureTransport': 'false' } } }),
        expect.objectContaining({ Action: 's3:*', Condition: { NumericLessThan: { 's3:TlsVersion': 1.2 } } }),
        expect.objectContaining({ Action: 's3:BypassGovernanceRetention', Principal: { AWS: '*' } }),
      ]),
    );
  });

  it('forgets unfinished uploads and staging after a day, and nothing that is current', () => {
    const { Rules } = z
      .object({
        LifecycleConfiguration: z.object({ Rules: z.array(z.looseObject({ Prefix: z.string().optional() })) }),
      })
      .parse(Properties).LifecycleConfiguration;
    expect(Rules).toContainEqual(
      expect.objectContaining({ AbortIncompleteMultipartUpload: { DaysAfterInitiation: 1 }, Status: 'Enabled' }),
    );
    expect(Rules).toContainEqual(
      expect.objectContaining({ NoncurrentVersionExpiration: { NoncurrentDays: 7 }, ExpiredObjectDeleteMarker: true }),
    );
    expect(Rules.filter((rule) => 'ExpirationInDays' in rule)).toEqual([
      expect.objectContaining({ Prefix: 'staging/', ExpirationInDays: 1 }),
    ]);
  });
});

describe('what holds data', () => {
  it.each(['AWS::S3::Bucket', 'AWS::S3::BucketPolicy', 'AWS::KMS::Key', 'AWS::Logs::LogGroup', 'AWS::SQS::Queue'])(
    'of %s outlives the stack, but not the deployment that failed to create it',
    (type) => {
      const resources = template.ofType(type);
      expect(resources.length).toBeGreaterThan(0);
      for (const { id, DeletionPolicy, UpdateReplacePolicy } of resources) {
        expect([id, DeletionPolicy, UpdateReplacePolicy]).toEqual([id, 'RetainExceptOnCreate', 'Retain']);
      }
    },
  );

  it('has no name that a later stack would need, and neither has what AWS deletes slowly', () => {
    const kept = template.resources.filter(({ DeletionPolicy = 'Delete' }) => DeletionPolicy !== 'Delete');
    const slow = template.resources.filter(({ Type }) => SLOWLY_DELETED.includes(Type));
    expect(slow).toHaveLength(3);
    const names = [...kept, ...slow].flatMap(({ id, Properties }) =>
      NAMES.flatMap((name) => (name in Properties ? [[id, JSON.stringify(Properties[name])]] : [])),
    );
    expect(names.length).toBeGreaterThan(slow.length);
    expect(names.filter(([, name]) => name?.includes('AWS::StackId') !== true)).toEqual([]);
  });

  it('is nowhere else', () => {
    const known =
      /^AWS::(IAM|Lambda|Logs|S3|KMS|SQS|CloudWatch|Scheduler)::|^AWS::Events::(Rule|EventBus)$|^AWS::StepFunctions::StateMachine$/;
    expect(template.resources.filter(({ Type }) => !known.test(Type))).toEqual([]);
  });
});

describe('every function', () => {
  it('is one of lambdas/handlers, on Node 24 and arm64', () => {
    expect(functions).toHaveLength(24);
    for (const { Properties } of functions) {
      expect(Properties).toMatchObject({ Runtime: 'nodejs24.x', Architectures: ['arm64'], Handler: 'index.handler' });
    }
  });

  it('has a role and a log group of its own, the latter with JSON and an end', () => {
    const roles = functions.map(({ Properties }) => asText(Properties['Role']));
    expect(new Set(roles).size).toBe(functions.length);
    const groups = functions.map(({ Properties }) => {
      const { LogGroup, LogFormat } = z
        .object({ LogGroup: z.unknown(), LogFormat: z.string() })
        .parse(Properties['LoggingConfig']);
      expect(LogFormat).toBe('JSON');
      return asText(LogGroup);
    });
    expect(new Set(groups).size).toBe(functions.length);
    for (const { Properties } of template.ofType('AWS::Logs::LogGroup'))
      expect(Properties).toMatchObject({ RetentionInDays: 90 });
  });

  it('shows errors and throttles on the dashboard, and rings only where nothing else would', () => {
    const body = asText(template.one('AWS::CloudWatch::Dashboard').Properties['DashboardBody']);
    for (const { id } of functions) {
      for (const metric of ['Errors', 'Throttles']) {
        expect(body).toContain(`["AWS/Lambda","${metric}","FunctionName","<${id}>"`);
      }
    }
    const alarms = template
      .ofType('AWS::CloudWatch::Alarm')
      .filter(({ Properties }) => Properties['Namespace'] === 'AWS/Lambda');
    expect(alarms.map(({ Properties }) => [Properties['MetricName'], asText(Properties['Dimensions'])])).toEqual([
      ['Invocations', expect.stringContaining('ReportStatus')],
    ]);
  });

  it('is reckoned with in the costs, with its alarms', () => {
    expect(template.ofType('AWS::CloudWatch::Alarm').length).toBe(ASSUMPTIONS.alarms);
  });

  it('has a queue for what was given up, unless a machine waits for its answer', () => {
    const withQueue = functions.filter(({ Properties }) => 'DeadLetterConfig' in Properties).map(nameOf);
    const steps = MACHINES.flatMap(({ machine }) => tasksOf(parseAsl(machine)).map(({ functionName }) => functionName));
    expect(withQueue.sort()).toEqual(
      functions
        .map(nameOf)
        .filter((name) => !steps.includes(name))
        .sort(),
    );
    expect(withQueue).toEqual(['ReportStatus', 'StartPolicyRun', 'VerifyArrivedPoint']);
  });

  it('knows the store, the bus and the file with the configuration', () => {
    for (const { Properties } of functions) {
      const { Variables } = z.object({ Variables: z.record(z.string(), z.unknown()) }).parse(Properties['Environment']);
      expect(asText(Variables['LIFEBOAT_STORE'])).toBe(`s3://<${template.one('AWS::S3::Bucket').id}>`);
      expect(asText(Variables['LIFEBOAT_EVENT_BUS'])).toBe(`<${template.one('AWS::Events::EventBus').id}>`);
      expect(Variables['LIFEBOAT_CONFIGURATION_FILE']).toBe('/opt/lifeboat/configuration.json');
      expect(asText([Properties['Layers']].flat()[0])).toBe(`<${template.one('AWS::Lambda::LayerVersion').id}>`);
    }
  });

  it('that needs more knows more', () => {
    const variable = (name: string, key: string) => {
      const environment = functions.find((resource) => nameOf(resource) === name)?.Properties['Environment'];
      return asText((environment as { Variables: Record<string, unknown> }).Variables[key]);
    };
    const machine = template.one('AWS::StepFunctions::StateMachine', 'BackUpFleet');
    expect(variable('StartPolicyRun', 'LIFEBOAT_STATE_MACHINE_ARN')).toBe(`<${machine.id}>`);
    expect(variable('StartNextPart', 'LIFEBOAT_STATE_MACHINE_ARN')).toBe(
      `arn:<AWS::Partition>:states:<AWS::Region>:<AWS::AccountId>:stateMachine:${asText(machine.Properties['StateMachineName'])}`,
    );
    expect(variable('ReportStatus', 'LIFEBOAT_SCHEDULE_GROUP')).toBe(
      asText(template.one('AWS::Scheduler::ScheduleGroup').Properties['Name']),
    );
  });

  it('that spools snapshots has the room and a whole CPU', () => {
    const spooling = ['PlanRestore', 'TakeSafetyPoint', 'TakeSnapshot', 'VerifyArrivedPoint', 'VerifyRecoveryPoint'];
    const found = functions.filter(({ Properties }) => 'EphemeralStorage' in Properties);
    expect(found.map(nameOf).sort()).toEqual(spooling);
    for (const { Properties } of found) {
      expect(Properties).toMatchObject({ MemorySize: 1769, Timeout: 900, EphemeralStorage: { Size: 10_240 } });
    }
  });

  it('shares the configuration as it was checked, as a layer with the same bytes every time', () => {
    const { S3Key } = z
      .object({ S3Key: z.string() })
      .parse(template.one('AWS::Lambda::LayerVersion').Properties['Content']);
    const again = synthesize();
    expect(again.one('AWS::Lambda::LayerVersion').Properties['Content']).toMatchObject({ S3Key });
    const file = join(template.directory, `asset.${S3Key.replace('.zip', '')}`, 'lifeboat', 'configuration.json');
    expect(configurationSchema.parse(JSON.parse(readFileSync(file, 'utf8')))).toEqual(configurationWith());
  });
});

describe.each(MACHINES)('the machine $machine', ({ machine, feature }) => {
  const { Properties } = template.one('AWS::StepFunctions::StateMachine', feature);

  it('has every placeholder of its file filled with the function of that name, and no other', () => {
    const placeholders = [...readAsl(machine).matchAll(/\$\{(\w+)\}/g)].map(([, name = '']) => name);
    const substitutions = z.record(z.string(), z.unknown()).parse(Properties['DefinitionSubstitutions']);
    expect(Object.keys(substitutions).sort()).toEqual([...new Set(placeholders)].sort());
    for (const [placeholder, arn] of Object.entries(substitutions)) {
      const name = placeholder.replace(/FunctionArn$/, '');
      const owner = SHARED.test(name) ? 'BackUpFleet' : feature;
      expect(asText(arn)).toMatch(new RegExp(`^<${owner}${name}FunctionCurrentVersion\\w+>$`));
    }
  });

  it('is the file in the repository', () => {
    const { Key } = z.object({ Key: z.string() }).parse(Properties['DefinitionS3Location']);
    expect(readFileSync(join(template.directory, `asset.${Key}`), 'utf8')).toBe(readAsl(machine));
  });

  it('gives up on a step no sooner than its function', () => {
    for (const { name, state, functionName } of tasksOf(parseAsl(machine))) {
      const called = functions.find((resource) => nameOf(resource) === functionName);
      const timeoutSeconds = z.number().parse(called?.Properties['Timeout']);
      expect([name, state.TimeoutSeconds]).toEqual([name, timeoutSeconds]);
    }
  });

  it('logs errors without data, and is traced', () => {
    expect(Properties).toMatchObject({
      LoggingConfiguration: { Level: 'ERROR', IncludeExecutionData: false },
      TracingConfiguration: { Enabled: true },
    });
  });
});
