import { describe, expect, it } from '@jest/globals';
import { Stack } from 'aws-cdk-lib';
import { Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { pascalCase } from '../../statemachines/description/pascal-case.ts';
import { permit } from '../../lib/permissions.ts';
import { FUNCTIONS_ON_CLUSTERS } from './functions-on-clusters.ts';
import { rolesOf } from './roles.ts';
import { asText, synthesize } from './synthesized.ts';

const template = synthesize({
  managementClusters: {
    'mgmt-a': {
      secret: 'lifeboat/management-clusters/mgmt-a',
      restore: { secret: 'lifeboat/restores/mgmt-a' },
    },
    'mgmt-b': { secret: 'arn:aws:secretsmanager:eu-central-1:111122223333:secret:mgmt-b-AbCdEf' },
  },
});
const roles = rolesOf(template);
const bucket = `<${template.one('AWS::S3::Bucket').id}.Arn>`;
const POINT = `${bucket}/recovery-points/hypershift/mgmt-a/clusters/prod/20260102T030405Z-a1b2`;
const SNAPSHOT = `${POINT}/etcd-main.db.zst`;
const MANIFEST = `${POINT}/manifest.json`;
const PROOF = `${POINT}/proofs/live-20260102T030405Z.json`;

/** Names of the roles that may do any of these to a resource. */
function whoMay(actions: readonly string[], resource: string): string[] {
  return roles
    .filter((role) => actions.some((action) => role.may(action, resource)))
    .map(({ name }) => name)
    .sort();
}

const FOR_BACKUPS = FUNCTIONS_ON_CLUSTERS.backup.map(pascalCase);
const FOR_RESTORES = FUNCTIONS_ON_CLUSTERS.restore.map(pascalCase);
const RESTORING = roles.filter(({ resource }) => /^RestoreControlPlane(?!Role)/.test(resource.id));
const STAGED = `${bucket}/staging/a`;
/** What the steps of a restore leave for each other. */
const OF_RESTORES = ['restores/r/plan.json', 'restores/r/fenced.json', 'restores/r/steps/swap-data.json'];
const PUTTING = ['s3:PutObject', 's3:PutObjectRetention', 's3:PutObjectTagging', 's3:AbortMultipartUpload'];
/** One key of every kind that the store holds. */
const EVERY_KEY = [
  SNAPSHOT,
  MANIFEST,
  PROOF,
  `${POINT}/pin.json`,
  ...[...OF_RESTORES, 'locks/a.json', 'operations/r/plan.json', 'policies/p/last-run.json'].map(
    (key) => `${bucket}/${key}`,
  ),
  STAGED,
];
const DELETIONS = ['s3:DeleteObject', 's3:DeleteObjectVersion'];
/** What would end a lock early, or weaken what protects the bucket. */
const UNDOING = [
  's3:BypassGovernanceRetention',
  's3:PutObjectLegalHold',
  's3:PutBucketObjectLockConfiguration',
  's3:PutBucketVersioning',
  's3:PutLifecycleConfiguration',
  's3:PutBucketPolicy',
  's3:DeleteBucketPolicy',
  's3:DeleteBucket',
  's3:PutBucketPublicAccessBlock',
];

describe('the rights of the functions', () => {
  it('let only retention delete, and it writes no recovery point', () => {
    for (const key of [SNAPSHOT, MANIFEST, PROOF]) expect(whoMay(DELETIONS, key)).toEqual(['ApplyRetention']);
    for (const key of [...OF_RESTORES, 'locks/a.json', 'operations/r/plan.json', 'policies/p/last-run.json']) {
      expect(whoMay(DELETIONS, `${bucket}/${key}`)).toEqual([]);
    }
    for (const key of [SNAPSHOT, MANIFEST, PROOF])
      expect(whoMay(['s3:PutObject'], key)).not.toContain('ApplyRetention');
  });

  it('let only those write a manifest or a snapshot that take a point, and those who verify add proofs', () => {
    const writers = ['TakeSafetyPoint', 'TakeSnapshot'];
    expect(whoMay(['s3:PutObject'], MANIFEST)).toEqual(writers);
    expect(whoMay(['s3:PutObject', 's3:PutObjectRetention'], SNAPSHOT)).toEqual(writers);
    expect(whoMay(['s3:PutObject'], PROOF)).toEqual([...writers, 'VerifyArrivedPoint', 'VerifyRecoveryPoint']);
  });

  it('let nobody overwrite anything of a recovery point, whoever made the bucket', () => {
    const writers = roles.filter(({ may }) =>
      [SNAPSHOT, PROOF, `${POINT}/pin.json`].some((key) => may('s3:PutObject', key)),
    );
    expect(writers.map(({ name }) => name).sort()).toEqual(whoMay(['s3:PutObject'], PROOF));
    for (const { name, statements } of writers) {
      const denials = statements.filter(({ Effect, Action }) => Effect === 'Deny' && Action.includes('s3:PutObject'));
      expect([name, denials.map(({ Resource, Condition }) => ({ Resource, Condition }))]).toEqual([
        name,
        [
          {
            Resource: [`${bucket}/recovery-points/*`],
            Condition: { Null: { 's3:if-none-match': 'true' }, Bool: { 's3:ObjectCreationOperation': 'true' } },
          },
        ],
      ]);
    }
  });

  it('let no function of a restore delete anything but what it has staged, nor write a recovery point but the one of what it replaces', () => {
    expect(RESTORING).toHaveLength(11);
    const mayAny = (actions: readonly string[], key: string) =>
      RESTORING.filter(({ may }) => actions.some((action) => may(action, key))).map(({ name }) => name);
    for (const key of EVERY_KEY) {
      const removers = key === STAGED ? ['FinishRestore', 'PrepareData'] : [];
      expect([key, mayAny(DELETIONS, key).sort()]).toEqual([key, removers]);
      if (key === STAGED) {
        expect(mayAny(['s3:PutObject'], key)).toEqual(['PrepareData']);
        expect(mayAny(['s3:PutObjectRetention'], key)).toEqual([]);
      }
      if (key.startsWith(POINT)) expect([key, mayAny(PUTTING, key)]).toEqual([key, ['TakeSafetyPoint']]);
    }
    expect(mayAny(PUTTING, `${bucket}/policies/p/last-run.json`)).toEqual([]);
  });

  it('let the report of a restore see its journal and nothing else', () => {
    const report = RESTORING.find(({ name }) => name === 'ReportRestore');
    const readable = EVERY_KEY.filter((key) => report?.may('s3:GetObject', key));
    expect(readable).toEqual(OF_RESTORES.map((key) => `${bucket}/${key}`));
  });

  it('let only the steps of a restore write what those steps read again, and no step of a run of a policy', () => {
    // Who marks the control plane notes it there, and in its lock.
    const writers = [...FOR_RESTORES, 'ReportRestore'].filter((name) => name !== 'MarkControlPlane').sort();
    for (const key of OF_RESTORES) expect(whoMay([...PUTTING, ...DELETIONS], `${bucket}/${key}`)).toEqual(writers);
    for (const { name, may } of RESTORING) {
      expect([name, may('s3:GetObject', `${bucket}/restores/r/plan.json`)]).toEqual([name, true]);
      // The one that plans looks there for revisions that restores of former versions have reached, and for nothing else.
      const reads = may('s3:GetObject', `${bucket}/operations/r/plan.json`);
      expect([name, reads]).toEqual([name, name === 'PlanRestore']);
    }
  });

  it('let nobody end a lock early or change what protects the bucket', () => {
    for (const resource of [bucket, MANIFEST]) expect(whoMay(UNDOING, resource)).toEqual([]);
  });

  it('let only those read snapshots, which hold every Secret, that compare or restore them', () => {
    const readers = [
      'PlanRestore',
      'PrepareData',
      'TakeSafetyPoint',
      'TakeSnapshot',
      'VerifyArrivedPoint',
      'VerifyRecoveryPoint',
    ];
    expect(whoMay(['s3:GetObject', 's3:GetObjectVersion'], SNAPSHOT)).toEqual(readers);
    expect(whoMay(['s3:GetObject'], MANIFEST)).toEqual(
      ['ApplyRetention', 'PlanRun', 'ReportStatus', ...readers].sort(),
    );
  });

  it('let only those read kubeconfigs that reach clusters: those below the prefix of their purpose, and those named elsewhere', () => {
    const secrets = 'arn:<AWS::Partition>:secretsmanager:<AWS::Region>:<AWS::AccountId>:secret:';
    const readersOf = (secret: string) => whoMay(['secretsmanager:GetSecretValue'], secret);
    const all = [...FOR_BACKUPS, ...FOR_RESTORES].sort();
    // mgmt-b has no account of its own for restores, but lies elsewhere.
    expect(readersOf(`${secrets}lifeboat/management-clusters/mgmt-a-AbCdEf`)).toEqual(FOR_BACKUPS);
    expect(readersOf(`${secrets}lifeboat/restores/mgmt-a-AbCdEf`)).toEqual(FOR_RESTORES);
    for (const other of ['lifeboat/hooks/mgmt-a', 'lifeboat/management-clusters', 'management-clusters/mgmt-a']) {
      expect(readersOf(`${secrets}${other}-AbCdEf`)).toEqual([]);
    }
    expect(readersOf('arn:aws:secretsmanager:eu-central-1:111122223333:secret:mgmt-b-AbCdEf')).toEqual(all);
  });

  it('let a run see when accounts for restores end, and nobody else, and nothing of other secrets', () => {
    const secrets = 'arn:<AWS::Partition>:secretsmanager:<AWS::Region>:<AWS::AccountId>:secret:lifeboat/';
    const describersOf = (secret: string) => whoMay(['secretsmanager:DescribeSecret'], secret);
    expect(describersOf(`${secrets}restores/mgmt-a-AbCdEf`)).toEqual(['PlanRun']);
    expect(describersOf(`${secrets}management-clusters/mgmt-a-AbCdEf`)).toEqual([]);
    expect(describersOf('arn:aws:secretsmanager:eu-central-1:111122223333:secret:mgmt-b-AbCdEf')).toEqual([]);
  });

  it('let restores read the kubeconfigs of backups only where they have none of their own', () => {
    const shared = rolesOf(synthesize({ managementClusters: { a: { secret: 'lifeboat/management-clusters/a' } } }));
    const secret = 'arn:<AWS::Partition>:secretsmanager:<AWS::Region>:<AWS::AccountId>:secret:lifeboat/';
    const readersOf = (name: string) =>
      shared.filter(({ may }) => may('secretsmanager:GetSecretValue', `${secret}${name}`)).map(({ name }) => name);
    expect(readersOf('management-clusters/a-AbCdEf').sort()).toEqual([...FOR_BACKUPS, ...FOR_RESTORES].sort());
    expect(readersOf('restores/a-AbCdEf')).toEqual([]);
  });

  it.each([
    ['BackupClusterRoles', FOR_BACKUPS],
    ['RestoreClusterRoles', FOR_RESTORES],
  ])('are entered for EKS by the output %s', (output, names) => {
    const arns = roles.filter(({ name }) => names.includes(name)).map(({ resource }) => `<${resource.id}.Arn>`);
    expect(template.outputs[output]?.split(',').sort()).toEqual(arns.sort());
  });

  it('let only those publish that have a verdict, and only on our bus', () => {
    const bus = `<${template.one('AWS::Events::EventBus').id}.Arn>`;
    expect(whoMay(['events:PutEvents'], bus)).toEqual(['ReportRun', 'VerifyArrivedPoint', 'VerifyRecoveryPoint']);
    expect(whoMay(['events:PutEvents'], 'arn:aws:events:eu-central-1:111122223333:event-bus/default')).toEqual([]);
  });

  it('let only the starter start a run and one step its next part, the schedules call two functions, and each machine its steps', () => {
    const { id, Properties } = template.one('AWS::StepFunctions::StateMachine', 'BackUpFleet');
    // One and the same machine, by reference and by name.
    const machines = 'arn:<AWS::Partition>:states:<AWS::Region>:<AWS::AccountId>:stateMachine:';
    const byName = `${machines}${asText(Properties['StateMachineName'])}`;
    expect(whoMay(['states:StartExecution'], `<${id}>`)).toEqual(['StartPolicyRun']);
    expect(whoMay(['states:StartExecution'], byName)).toEqual(['StartNextPart']);
    expect(whoMay(['states:StartExecution'], `${machines}another`)).toEqual([]);
    const callers = new Map(
      template
        .ofType('AWS::Lambda::Function')
        .map(({ id }) => [id.replace(/Function[0-9A-F]{8}$/, ''), whoMay(['lambda:InvokeFunction'], `<${id}.Arn>:1`)]),
    );
    for (const [machine, count] of Object.entries({ BackUpFleet: 10, RestoreControlPlane: 11 })) {
      const steps = [...callers.keys()].filter((name) => name.startsWith(machine));
      expect(steps).toHaveLength(count);
      for (const step of steps) {
        const isShared = /^BackUpFleet(Lock|Release)ControlPlane$/.test(step);
        expect([step, callers.get(step)]).toEqual([
          step,
          isShared ? ['BackUpFleet', 'RestoreControlPlane'] : [machine],
        ]);
      }
    }
    expect(callers.get('PolicySchedulesStartPolicyRun')).toEqual(['Caller']);
    expect(callers.get('ObservabilityReportStatus')).toEqual(['Caller']);
    // By the rule, through a permission of the function's own.
    expect(callers.get('ArrivalsVerifyArrivedPoint')).toEqual([]);
  });

  it('let only people start a restore, by the machine of the output', () => {
    const { id, Properties } = template.one('AWS::StepFunctions::StateMachine', 'RestoreControlPlane');
    expect(template.outputs['RestoreMachine']).toBe(`<${id}>`);
    const byName = `arn:<AWS::Partition>:states:<AWS::Region>:<AWS::AccountId>:stateMachine:${asText(Properties['StateMachineName'])}`;
    for (const machine of [`<${id}>`, byName]) expect(whoMay(['states:StartExecution'], machine)).toEqual([]);
  });

  it('spell out every action', () => {
    const actions = roles.flatMap(({ name, statements }) =>
      statements.flatMap(({ Action }) => Action.map((action) => `${name} ${action}`)),
    );
    expect(actions.filter((action) => action.includes('*'))).toEqual([]);
  });

  it('cover every resource only for actions that know none', () => {
    const unbounded = roles.flatMap(({ statements }) =>
      statements
        .filter(({ Effect, Resource }) => Effect === 'Allow' && Resource.includes('*'))
        .flatMap(({ Action }) => Action),
    );
    const services =
      /^(xray:|logs:\w*LogDeliver(y|ies)$|logs:(PutResourcePolicy|DescribeResourcePolicies|DescribeLogGroups)$|scheduler:ListSchedules$)/;
    expect(unbounded.length).toBeGreaterThan(0);
    expect(unbounded.filter((action) => !services.test(action))).toEqual([]);
  });

  it('reach keys of KMS only through S3', () => {
    const statements = roles.flatMap((role) =>
      role.statements.filter(({ Action }) => Action.some((action) => action.startsWith('kms:'))),
    );
    expect(statements.length).toBeGreaterThan(0);
    for (const { Condition, Resource } of statements) {
      expect(JSON.stringify(Condition)).toMatch(/kms:ViaService.*s3\./);
      expect(Resource).toEqual([`<${template.one('AWS::KMS::Key').id}.Arn>`]);
    }
  });

  it('refuse a listing of other prefixes, but not S3 asking whether a missing key may be told of', () => {
    for (const { name, statements } of roles) {
      for (const { Condition } of statements.filter(({ Action }) => Action.includes('s3:ListBucket'))) {
        const prefixes = Condition?.['StringLikeIfExists']?.['s3:prefix'];
        expect([name, prefixes]).toEqual([name, expect.anything()]);
        expect([prefixes].flat()).not.toContain('*');
      }
    }
  });

  it('have a reason for every finding of cdk-nag', () => {
    expect(template.findings).toEqual([]);
  });

  it('have no wildcard without a reason', () => {
    const role = new Role(new Stack(), 'Role', { assumedBy: new ServicePrincipal('lambda.amazonaws.com') });
    const permission = { actions: ['s3:GetObject'], resources: ['arn:aws:s3:::bucket/*'] };
    expect(() => {
      permit(role, permission);
    }).toThrow('needs a reason for its wildcard');
  });

  it('are given to services only', () => {
    for (const { resource } of roles) {
      const trust = JSON.stringify(resource.Properties['AssumeRolePolicyDocument']);
      expect(trust).toMatch(/"Principal":\{"Service":"(lambda|states|scheduler)\.amazonaws\.com"\}/);
      expect(trust).not.toMatch(/"AWS"|"\*"/);
    }
  });
});
