import { describe, expect, it, jest } from '@jest/globals';
import { rolesOf } from './roles.ts';
import { asText, synthesize } from './synthesized.ts';

const ACCOUNT = 'eu-central-1:111122223333';
const KEY = `arn:aws:kms:${ACCOUNT}:key/1234abcd-12ab-34cd-56ef-1234567890ab`;
const SECRETS_KEY = `arn:aws:kms:${ACCOUNT}:key/5678abcd-12ab-34cd-56ef-1234567890ab`;
const TOPIC = `arn:aws:sns:${ACCOUNT}:on-call`;
const BOUNDARY = 'arn:aws:iam::111122223333:policy/boundary';

describe('a bucket and a key that exist', () => {
  const template = synthesize({
    store: 's3://backups-of-us',
    aws: { existingBucket: 'backups-of-us', kmsKeyArn: KEY, secretsKmsKeyArn: SECRETS_KEY },
  });

  it('are used as they are', () => {
    for (const type of ['AWS::S3::Bucket', 'AWS::S3::BucketPolicy', 'AWS::KMS::Key']) {
      expect(template.ofType(type)).toEqual([]);
    }
    const { Properties } = template.one('AWS::Lambda::Function', 'BackUpFleetTakeSnapshot');
    expect(Properties['Environment']).toMatchObject({ Variables: { LIFEBOAT_STORE: 's3://backups-of-us' } });
  });

  it('may be used by the functions as narrowly as new ones', () => {
    const writer = rolesOf(template).find(({ name }) => name === 'TakeSnapshot');
    const bucket = 'arn:<AWS::Partition>:s3:::backups-of-us';
    expect(writer?.may('s3:PutObject', `${bucket}/recovery-points/a/manifest.json`)).toBe(true);
    expect(writer?.may('s3:DeleteObject', `${bucket}/recovery-points/a/manifest.json`)).toBe(false);
    expect(writer?.may('s3:PutObject', `${bucket}/policies/a.json`)).toBe(false);
    expect(writer?.may('kms:GenerateDataKey', KEY)).toBe(true);
    expect(writer?.may('kms:Decrypt', SECRETS_KEY)).toBe(true);
    expect(writer?.may('kms:GenerateDataKey', SECRETS_KEY)).toBe(false);
  });

  it('tell of arrivals by their own name', () => {
    const { Properties } = template.one('AWS::Events::Rule', 'Arrivals');
    expect(Properties['EventPattern']).toMatchObject({ detail: { bucket: { name: ['backups-of-us'] } } });
  });

  it('leave no finding of cdk-nag', () => {
    expect(template.findings).toEqual([]);
  });
});

describe('a private network', () => {
  const vpc = { vpcId: 'vpc-0123456789abcdef0', subnetIds: ['subnet-0123456789abcdef0', 'subnet-0123456789abcdef1'] };
  const template = synthesize({
    aws: { vpc: { ...vpc, createEndpoints: true, routeTableIds: ['rtb-0123456789abcdef0'] } },
  });

  it('holds every function', () => {
    const group = `<${template.one('AWS::EC2::SecurityGroup', 'NetworkSecurityGroup').id}.GroupId>`;
    for (const { Properties } of template.ofType('AWS::Lambda::Function')) {
      const { SubnetIds, SecurityGroupIds } = Properties['VpcConfig'] as Record<string, unknown[]>;
      expect(SubnetIds).toEqual(vpc.subnetIds);
      expect(SecurityGroupIds?.map(asText)).toEqual([group]);
    }
  });

  it('lets functions out to HTTPS and API servers only, and nobody in', () => {
    const { Properties } = template.one('AWS::EC2::SecurityGroup', 'NetworkSecurityGroup');
    const ports = (Properties['SecurityGroupEgress'] as { FromPort: number; ToPort: number }[]).map(
      ({ FromPort, ToPort }) => [FromPort, ToPort],
    );
    expect(ports).toEqual([
      [443, 443],
      [6443, 6443],
    ]);
    expect(Properties['SecurityGroupIngress']).toBeUndefined();
  });

  it('has an endpoint for everything that the functions call', () => {
    const endpoints = template
      .ofType('AWS::EC2::VPCEndpoint')
      .map(({ Properties }) => [asText(Properties['ServiceName']).split('.').at(-1), Properties['VpcEndpointType']]);
    expect(endpoints.sort()).toEqual([
      ['events', 'Interface'],
      ['kms', 'Interface'],
      ['logs', 'Interface'],
      ['s3', 'Gateway'],
      ['scheduler', 'Interface'],
      ['secretsmanager', 'Interface'],
      ['states', 'Interface'],
      ['sts', 'Interface'],
    ]);
  });

  it('is entered by Lambda and not by the code of a function', () => {
    const entered = rolesOf(template).filter(({ may }) => may('ec2:CreateNetworkInterface', '*'));
    expect(entered).toHaveLength(template.ofType('AWS::Lambda::Function').length);
    for (const { name, statements } of entered) {
      const denied = statements.find(
        ({ Effect, Action }) => Effect === 'Deny' && [Action].flat().includes('ec2:CreateNetworkInterface'),
      );
      expect([name, denied?.Condition]).toEqual([name, { Null: { 'lambda:SourceFunctionArn': 'false' } }]);
    }
  });

  it('leaves no finding of cdk-nag', () => {
    expect(template.findings).toEqual([]);
  });

  it('with security groups of its own gets none, nor endpoints that nobody asked for', () => {
    const own = synthesize({ aws: { vpc: { ...vpc, securityGroupIds: ['sg-0123456789abcdef0'] } } });
    expect([...own.ofType('AWS::EC2::SecurityGroup'), ...own.ofType('AWS::EC2::VPCEndpoint')]).toEqual([]);
    const { VpcConfig } = own.one('AWS::Lambda::Function', 'BackUpFleetPlanRun').Properties;
    expect(VpcConfig).toMatchObject({ SecurityGroupIds: ['sg-0123456789abcdef0'] });
  });
});

describe('the other options', () => {
  const template = synthesize({
    store: 's3://new-backups',
    aws: {
      stackName: 'lifeboat-eu',
      account: '111122223333',
      region: 'eu-central-1',
      bucketName: 'new-backups',
      kmsKeyArn: KEY,
      permissionsBoundary: BOUNDARY,
      logRetentionDays: 30,
      tags: { team: 'platform' },
      alarms: { topic: TOPIC },
      tracing: false,
      snapshotConcurrency: 5,
    },
  });

  it('bound every role', () => {
    const roles = template.ofType('AWS::IAM::Role');
    expect(roles.length).toBeGreaterThan(10);
    for (const { Properties } of roles) expect(Properties['PermissionsBoundary']).toBe(BOUNDARY);
  });

  it('end every log', () => {
    for (const { Properties } of template.ofType('AWS::Logs::LogGroup')) expect(Properties['RetentionInDays']).toBe(30);
  });

  it('tell a topic of every alarm', () => {
    const alarms = template.ofType('AWS::CloudWatch::Alarm');
    expect(alarms.length).toBeGreaterThan(0);
    for (const { Properties } of alarms)
      expect(Properties).toMatchObject({ AlarmActions: [TOPIC], OKActions: [TOPIC] });
  });

  it('name the bucket and the key, and all that must not meet another stack', () => {
    expect(template.one('AWS::S3::Bucket').Properties).toMatchObject({ BucketName: 'new-backups' });
    expect(JSON.stringify(template.one('AWS::S3::Bucket').Properties['BucketEncryption'])).toContain(KEY);
    expect(template.ofType('AWS::KMS::Key')).toEqual([]);
    expect(template.one('AWS::Events::EventBus').Properties['Name']).toBe('lifeboat-eu');
    expect(asText(template.one('AWS::Scheduler::ScheduleGroup').Properties['Name'])).toMatch(/^lifeboat-eu-/);
    const { DashboardName } = template.one('AWS::CloudWatch::Dashboard').Properties;
    expect(asText(DashboardName)).toBe('lifeboat-eu-<AWS::Region>');
  });

  it('bound the snapshots that are taken at once, and nothing else', () => {
    const bounded = template
      .ofType('AWS::Lambda::Function')
      .filter(({ Properties }) => 'ReservedConcurrentExecutions' in Properties);
    expect(bounded.map(({ id }) => id.replace(/[0-9A-F]{8}$/, ''))).toEqual(['BackUpFleetTakeSnapshotFunction']);
    expect(bounded[0]?.Properties['ReservedConcurrentExecutions']).toBe(5);
  });

  it('turn tracing off, with its rights', () => {
    const rights = rolesOf(template).flatMap(({ statements }) => statements.flatMap(({ Action }) => Action));
    expect(rights.filter((action) => action.startsWith('xray:'))).toEqual([]);
    expect(template.findings).toEqual([]);
  });

  it('tag the stack, which CloudFormation hands on to all in it', () => {
    expect(template.tags).toEqual({ team: 'platform' });
  });
});

describe('alarms', () => {
  it('write to an address by a topic of the stack, which takes nothing from anybody else', () => {
    const template = synthesize({ aws: { alarms: { email: 'on-call@example.com' } } });
    const topic = template.one('AWS::SNS::Topic');
    expect(template.one('AWS::SNS::Subscription').Properties).toMatchObject({
      Protocol: 'email',
      Endpoint: 'on-call@example.com',
      TopicArn: { Ref: topic.id },
    });
    for (const { Properties } of template.ofType('AWS::CloudWatch::Alarm')) {
      expect(Properties).toMatchObject({ AlarmActions: [{ Ref: topic.id }], OKActions: [{ Ref: topic.id }] });
    }
    expect(template.one('AWS::SNS::TopicPolicy').Properties['PolicyDocument']).toMatchObject({
      Statement: [
        { Effect: 'Deny', Condition: { Bool: { 'aws:SecureTransport': 'false' } } },
        {
          Effect: 'Allow',
          Action: 'sns:Publish',
          Principal: { Service: 'cloudwatch.amazonaws.com' },
          Condition: { StringEquals: { 'aws:SourceAccount': { Ref: 'AWS::AccountId' } } },
        },
      ],
    });
    expect(template.findings).toEqual([]);
  });

  it('of which nobody hears are warned of', () => {
    // The library prints warnings as well.
    const printed = jest.spyOn(console, 'error').mockReturnValue(undefined);
    const { findings } = synthesize({ aws: { alarms: undefined } });
    printed.mockRestore();
    expect(findings).toEqual([expect.stringMatching(/^Nobody hears of the alarms\. Write "aws: \{ alarms: \{ email/)]);
  });

  it('on an objective that the schedule can never keep are warned of', () => {
    const printed = jest.spyOn(console, 'error').mockReturnValue(undefined);
    const rare = { schedule: '@weekly', retention: { last: 2 } };
    const { findings } = synthesize({ policies: { rare, never: { ...rare, objective: '26h' } } });
    printed.mockRestore();
    expect(findings).toEqual([expect.stringMatching(/^The objective of policy never is shorter/)]);
  });
});
