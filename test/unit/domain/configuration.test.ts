import { describe, expect, it } from '@jest/globals';
import { configurationSchema } from '../../../lambdas/domain/configuration.ts';

const LEAST = { store: './recovery-points', managementClusters: {} };
const ACCOUNT = 'eu-central-1:111122223333';
const ON = { on: ['RecoveryPointRefused'] };

describe('a hook', () => {
  it.each([
    { lambda: `arn:aws:lambda:${ACCOUNT}:function:notify` },
    { lambda: `arn:aws-us-gov:lambda:us-gov-west-1:111122223333:function:notify:live` },
    { sns: `arn:aws:sns:${ACCOUNT}:backups` },
    { sqs: `arn:aws-cn:sqs:cn-north-1:111122223333:backups` },
    { stateMachine: `arn:aws:states:${ACCOUNT}:stateMachine:notify` },
    { https: { url: 'https://example.com/backups', secret: 'lifeboat/hooks/example' } },
  ])('may call %j, for one policy or for all', (target) => {
    const hooks = [{ on: ['PolicyRunFinished', 'RecoveryPointVerified'], ...target }];
    const policies = { nightly: { schedule: '@daily', retention: { last: 3 }, hooks } };
    const parsed = configurationSchema.parse({ ...LEAST, policies, hooks });
    expect(parsed.hooks).toEqual(hooks);
    expect(parsed.policies?.['nightly']?.hooks).toEqual(hooks);
  });

  it.each([
    ['no target', ON, /exactly one of lambda, sns, sqs, stateMachine, https/],
    [
      'two targets',
      { ...ON, sns: `arn:aws:sns:${ACCOUNT}:a`, sqs: `arn:aws:sqs:${ACCOUNT}:a` },
      /exactly one of lambda, sns/,
    ],
    ['no event', { on: [], sns: `arn:aws:sns:${ACCOUNT}:a` }, /at least|>=1/],
    [
      'an event that there is not',
      { on: ['BackupDone'], sns: `arn:aws:sns:${ACCOUNT}:a` },
      /RecoveryPointVerified.*PolicyRunFinished/,
    ],
    ['the ARN of another service', { ...ON, lambda: `arn:aws:sns:${ACCOUNT}:a` }, /arn:aws:lambda:.*:function:notify/],
    ['a name for an ARN', { ...ON, sqs: 'backups' }, /give an ARN such as arn:aws:sqs/],
    ['a queue that wants message groups', { ...ON, sqs: `arn:aws:sqs:${ACCOUNT}:a.fifo` }, /give an ARN/],
    ['an execution', { ...ON, stateMachine: `arn:aws:states:${ACCOUNT}:execution:a:b` }, /:stateMachine:notify/],
    ['a URL without TLS', { ...ON, https: { url: 'http://example.com', secret: 'a' } }, /https URL/],
    ['no secret', { ...ON, https: { url: 'https://example.com' } }, /secret/],
    ['a secret by value', { ...ON, https: { url: 'https://example.com', secret: 'key: value' } }, /name of a secret/],
  ])('with %s is refused', (_, hook, expected) => {
    expect(configurationSchema.safeParse({ ...LEAST, hooks: [hook] }).error?.message).toMatch(expected);
  });
});

describe('pre-signed URLs for restores', () => {
  const withStore = (store: string) =>
    configurationSchema.safeParse({ ...LEAST, store, restore: { transfer: 'presigned-url' } });

  it('may be used with a store in S3', () => {
    expect(withStore('s3://bucket/prefix').success).toBe(true);
  });

  it('are refused with a directory, which has none', () => {
    expect(withStore('./recovery-points').error?.issues).toMatchObject([
      { path: ['restore', 'transfer'], message: expect.stringContaining('"attach"') },
    ]);
  });
});
