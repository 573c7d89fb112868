import { describe, expect, it } from '@jest/globals';
import { deploymentSchema } from '../../lambdas/domain/deployment.ts';
import { ConfigurationError } from '../../lambdas/domain/errors.ts';
import { deploymentOf } from '../../lib/deployable.ts';
import { namedSecrets } from '../../lib/kubeconfig-secrets.ts';
import { LIMITS } from '../../lib/limits/limits.ts';
import { readTemplate } from '../../lib/limits/template.ts';
import { configurationWith, synthesize, type Sections } from './synthesized.ts';

const KEY = 'arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab';
const BOUNDARY = 'arn:aws:iam::111122223333:policy/boundary';
const ARN_OF_SECRETS = 'arn:aws:secretsmanager:eu-central-1:111122223333:secret:';
const TOPIC = 'arn:aws:sns:eu-central-1:111122223333:on-call';

const escaped = (text: string) => text.replace(/[.[\]]/g, '\\$&');

function refusal(sections: Sections): ConfigurationError {
  try {
    deploymentOf(configurationWith(sections));
  } catch (error) {
    if (error instanceof ConfigurationError) return error;
    throw error;
  }
  throw new Error('it was accepted');
}

describe('a configuration', () => {
  it('without a section for AWS is deployed with defaults', () => {
    expect(deploymentOf({ ...configurationWith(), aws: undefined })).toEqual({
      stackName: 'lifeboat',
      logRetentionDays: 90,
      tags: {},
      tracing: true,
      snapshotConcurrency: null,
      encryptedByS3: false,
    });
  });

  it.each([
    ['backup', { kubeconfig: './mgmt-a.kubeconfig' }, 'management-clusters/mgmt-a'],
    ['restore', { secret: 'a', restore: { kubeconfig: './mgmt-a.kubeconfig' } }, 'restores/mgmt-a'],
  ])(
    'with a kubeconfig file for a %s is not deployed, and says how to make a secret of it',
    (purpose, entry, secret) => {
      const { message, remedy } = refusal({ managementClusters: { 'mgmt-a': entry } });
      expect(message).toContain(
        `for a ${purpose}, management cluster mgmt-a is reached by the file ./mgmt-a.kubeconfig`,
      );
      expect(remedy).toContain(
        `lifeboat enroll mgmt-a --for ${purpose} --apply --secret lifeboat/${secret} --kubeconfig <admin kubeconfig>"`,
      );
    },
  );

  it('with the secret of restores where backups may read is not deployed, unless they share one account', () => {
    const secret = 'lifeboat/management-clusters/mgmt-a';
    const apart = { secret, restore: { secret: `${secret}-restore` } };
    const { message, remedy } = refusal({ managementClusters: { 'mgmt-a': apart } });
    expect(message).toContain(`the secret ${secret}-restore, which functions of backups could read as well`);
    expect(remedy).toContain('--secret lifeboat/restores/mgmt-a ');
    const byArn = { secret, restore: { secret: `${ARN_OF_SECRETS}${secret}-restore-AbCdEf` } };
    expect(refusal({ managementClusters: { 'mgmt-a': byArn } }).message).toContain('functions of backups could read');
    for (const same of [secret, `${ARN_OF_SECRETS}${secret}-AbCdEf`]) {
      const shared = { managementClusters: { 'mgmt-a': { secret, restore: { secret: same } } } };
      expect(deploymentOf(configurationWith(shared)).stackName).toBe('lifeboat');
    }
  });

  it('with secrets below the prefix is deployed however many there are, by name or by ARN', () => {
    const clusters = Array.from({ length: 100 }, (_, index) => [
      `mgmt-${index}`,
      { secret: `${ARN_OF_SECRETS}lifeboat/management-clusters/mgmt-${index}-AbCdEf` },
    ]);
    const configuration = configurationWith({ managementClusters: Object.fromEntries(clusters) });
    expect(deploymentOf(configuration).stackName).toBe('lifeboat');
    // That of its account, which need not be the one that is deployed to.
    const prefix = `${ARN_OF_SECRETS}lifeboat/management-clusters/`;
    expect(namedSecrets(configuration, 'backup')).toEqual({ prefixes: [prefix], others: [] });
  });

  it('with secrets of other names is deployed while their rights fit into a policy', () => {
    const named = (count: number) => ({
      managementClusters: Object.fromEntries(
        Array.from({ length: count }, (_, index) => [`mgmt-${index}`, { secret: `kubeconfigs/of-team/mgmt-${index}` }]),
      ),
    });
    const { directory } = synthesize(named(30));
    const template = readTemplate(directory, 'lifeboat');
    for (const { what, allowed, measure } of LIMITS)
      expect([what, measure(template)]).toEqual([what, Math.min(allowed, measure(template))]);
    const { message, remedy } = refusal(named(60));
    expect(message).toContain('60 management clusters name secrets outside of lifeboat/management-clusters/');
    expect(remedy).toContain('--secret lifeboat/management-clusters/<management cluster>');
  });

  it.each([
    ['another S3', { s3: { endpoint: 'https://s3.example.com' } }, /s3\.endpoint/],
    ['a prefix in the bucket', { store: 's3://backups/team-a' }, /store: s3:\/\/backups"/],
    ['two buckets', { store: 's3://backups', aws: { bucketName: 'other' } }, /aws\.existingBucket: backups/],
    [
      'an existing bucket and not its key',
      { store: 's3://backups', aws: { existingBucket: 'backups' } },
      /aws\.kmsKeyArn: the output Key.*--bucket backups".*aws\.encryptedByS3: true/,
    ],
  ])('that names %s is not deployed', (_, sections, remedy) => {
    expect(refusal(sections).remedy).toMatch(remedy);
  });

  const NOTIFY = { on: ['PolicyRunFinished'], lambda: 'arn:aws:lambda:eu-central-1:111122223333:function:notify' };
  const nightly = { schedule: '0 3 * * *', retention: { daily: 7 }, hooks: [NOTIFY] };
  const byArn = { secret: `${ARN_OF_SECRETS}mgmt-a-AbCdEf` };
  it.each([
    ['hooks[0].lambda', { hooks: [NOTIFY] }, ['region', 'account']],
    ['policies.nightly.hooks[0].lambda', { policies: { nightly } }, ['region', 'account']],
    ['s3.region', { s3: { region: 'eu-central-1' } }, ['region']],
    ['aws.alarms.topic', {}, ['region']],
    ['aws.kmsKeyArn', { aws: { kmsKeyArn: KEY } }, ['region']],
    ['aws.secretsKmsKeyArn', { aws: { secretsKmsKeyArn: KEY } }, ['region']],
    ['aws.permissionsBoundary', { aws: { permissionsBoundary: BOUNDARY } }, ['account']],
    ['managementClusters.mgmt-a.secret', { managementClusters: { 'mgmt-a': byArn } }, ['region']],
    [
      'managementClusters.mgmt-a.restore.secret',
      { managementClusters: { 'mgmt-a': { secret: 'a', restore: byArn } } },
      ['region'],
    ],
  ])('with %s in another place is not deployed', (path, { aws, ...sections }: Sections, dimensions) => {
    const alarms = path === 'aws.alarms.topic' ? {} : { alarms: { email: 'on-call@example.com' } };
    const placed = (place: object) => ({ ...sections, aws: { ...alarms, ...aws, ...place } });
    for (const [dimension, there] of [
      ['region', 'eu-west-1'],
      ['account', '444455556666'],
    ] as const) {
      const elsewhere = placed({ [dimension]: there });
      if (dimensions.includes(dimension)) {
        const { message, remedy } = refusal(elsewhere);
        expect(message).toMatch(new RegExp(`^${escaped(path)} is not where the application is deployed: `));
        expect(message).toMatch(new RegExp(` is in ${dimension} \\S+, and aws\\.${dimension} is ${there}$`));
        expect(remedy).not.toBe('');
      } else expect(deploymentOf(configurationWith(elsewhere))).toMatchObject({ [dimension]: there });
    }
    const here = { region: 'eu-central-1', account: '111122223333' };
    expect(deploymentOf(configurationWith(placed(here)))).toMatchObject(here);
  });

  it('whose store is the bucket of the application is deployed', () => {
    expect(deploymentOf(configurationWith({ store: 's3://backups', aws: { bucketName: 'backups' } })).bucketName).toBe(
      'backups',
    );
    for (const encryption of [{ encryptedByS3: true }, { kmsKeyArn: KEY }]) {
      const existing = { store: 's3://backups/', aws: { existingBucket: 'backups', ...encryption } };
      expect(deploymentOf(configurationWith(existing)).existingBucket).toBe('backups');
    }
  });

  it('whose store is the output of the first deployment leaves the bucket, its key and every right as they are', () => {
    const [first, second] = [{}, { store: 's3://lifeboat-recoverypointsbucket-1a2b3c' }].map((sections) => {
      const template = synthesize(sections);
      return ['AWS::S3::Bucket', 'AWS::KMS::Key', 'AWS::S3::BucketPolicy', 'AWS::IAM::Policy'].map((type) =>
        template.ofType(type),
      );
    });
    expect(second).toEqual(first);
    expect(JSON.stringify(first)).toContain('kms:GenerateDataKey');
  });
});

describe('the section aws', () => {
  const vpc = { vpcId: 'vpc-0123456789abcdef0', subnetIds: ['subnet-0123456789abcdef0'] };
  it.each([
    ['an unknown key', { bucket: 'backups' }, /Unrecognized key/],
    ['an account that is a number', { account: 111122223333 }, /account/],
    ['a bucket with dots', { bucketName: 'backups.example.com' }, /dots break TLS/],
    ['a new and an existing bucket', { bucketName: 'a-bucket', existingBucket: 'b-bucket' }, /at most one/],
    ['a new bucket without a key', { encryptedByS3: true }, /of an existingBucket only/],
    [
      'a key of a bucket without one',
      { existingBucket: 'a-bucket', encryptedByS3: true, kmsKeyArn: KEY },
      /no kmsKeyArn/,
    ],
    ['an alias for a key', { kmsKeyArn: 'arn:aws:kms:eu-central-1:111122223333:alias/backups' }, /ARN such as/],
    [
      'the ARN of something else',
      { alarms: { topic: 'arn:aws:sqs:eu-central-1:111122223333:on-call' } },
      /arn:aws:sns/,
    ],
    ['alarms of which nobody hears', { alarms: {} }, /either email or topic/],
    ['alarms for two', { alarms: { email: 'a@b.example', topic: TOPIC } }, /either email or topic/],
    ['a retention that CloudWatch does not know', { logRetentionDays: 42 }, /logRetentionDays/],
    ['no concurrency at all', { snapshotConcurrency: 0 }, /snapshotConcurrency/],
    ['endpoints without route tables', { vpc: { ...vpc, createEndpoints: true } }, /route tables of the subnets/],
    ['a network without subnets', { vpc: { ...vpc, subnetIds: [] } }, /subnetIds/],
  ])('with %s is refused', (_, section, expected) => {
    expect(deploymentSchema.safeParse(section).error?.message).toMatch(expected);
  });

  it.each([
    { region: 'us-gov-west-1' },
    { kmsKeyArn: 'arn:aws-cn:kms:cn-north-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab' },
    { permissionsBoundary: 'arn:aws:iam::aws:policy/PowerUserAccess' },
    { permissionsBoundary: 'arn:aws:iam::111122223333:policy/teams/boundary' },
    { snapshotConcurrency: null },
    { vpc },
  ])('takes %j', (section) => {
    expect(deploymentSchema.safeParse(section).error).toBeUndefined();
  });
});
