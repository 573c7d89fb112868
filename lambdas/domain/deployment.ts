import * as z from 'zod';

export const DEFAULT_STACK_NAME = 'lifeboat';

/** What CloudWatch Logs takes for the retention of a log group (PutRetentionPolicy), in days. */
const LOG_RETENTION_DAYS = [
  1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
] as const;

/** Policies of AWS's own have `aws` for an account. */
const arn = (service: string, resource: string, example: string) =>
  z
    .string()
    .regex(
      new RegExp(`^arn:aws[-a-z]*:${service}:[-a-z0-9]*:(?:\\d{12}|aws):${resource}$`),
      `give an ARN such as arn:aws:${service}:${example}`,
    );
const id = (prefix: string) =>
  z.string().regex(new RegExp(`^${prefix}-[0-9a-f]{8,17}$`), `give an id such as ${prefix}-0123456789abcdef0`);
const ids = (prefix: string) => z.array(id(prefix)).min(1);
const bucket = z
  .string()
  .regex(/^[a-z0-9][-a-z0-9]{1,61}[a-z0-9]$/, 'use 3 to 63 lower-case letters, digits and "-"; dots break TLS');
const kmsKey = arn('kms', 'key/[-a-zA-Z0-9]+', 'eu-central-1:111122223333:key/1234abcd-…');

// Given literally, for nothing is looked up when the template is made.
const vpcSchema = z
  .strictObject({
    vpcId: id('vpc').describe('The network that the functions run in.'),
    subnetIds: ids('subnet').describe('Subnets of the functions, best in two availability zones or more.'),
    securityGroupIds: ids('sg')
      .optional()
      .describe('Security groups of the functions; one that only opens connections to 443 and 6443 when left out.'),
    createEndpoints: z
      .boolean()
      .default(false)
      .describe('Creates endpoints for all that the functions call, for subnets without a NAT gateway.'),
    routeTableIds: ids('rtb')
      .optional()
      .describe('Route tables of the subnets, into which the endpoint for S3 is entered.'),
  })
  .refine(({ createEndpoints, routeTableIds }) => !createEndpoints || routeTableIds !== undefined, {
    error: 'give the route tables of the subnets as well: the endpoint for S3 is entered into them',
    path: ['routeTableIds'],
  })
  .describe('The network in which the functions run, for API servers that answer only there.');

const alarmsSchema = z
  .strictObject({
    email: z.email().optional().describe('Address that hears of them, once whoever reads it has confirmed.'),
    topic: arn('sns', '[-_a-zA-Z0-9]+', 'eu-central-1:111122223333:on-call')
      .optional()
      .describe('ARN of a topic of yours; its policy must let cloudwatch.amazonaws.com publish.'),
  })
  .refine(({ email, topic }) => (email === undefined) !== (topic === undefined), {
    error: 'give either email or topic: who hears of the alarms',
  })
  .describe('Who hears of every alarm, when it rings and when it is over. Left out, nobody does, and synth warns.');

/** The section `aws` of `lifeboat.yaml`: how the application is deployed. Everything has a default. */
export const deploymentSchema = z
  .strictObject({
    stackName: z
      .string()
      .regex(/^[a-zA-Z][-a-zA-Z0-9]{0,39}$/, 'use up to 40 letters, digits and "-", a letter first')
      .default(DEFAULT_STACK_NAME)
      .describe('Also the name of the event bus: a second stack in a region needs another one.'),
    account: z
      .string()
      .regex(/^\d{12}$/, 'give its twelve digits in quotes')
      .optional()
      .describe('Account to deploy to; that of the credentials when left out.'),
    region: z
      .string()
      .regex(/^[a-z]{2}(-[a-z]+)+-\d$/, 'give a region such as eu-central-1')
      .optional()
      .describe('Region to deploy to; that of the credentials when left out.'),
    bucketName: bucket.optional().describe('Name of the bucket to create; made up by CloudFormation when left out.'),
    existingBucket: bucket
      .optional()
      .describe(
        'A bucket that exists already, also that of a former stack, with versions, Object Lock and EventBridge notifications; nothing of it is changed.',
      ),
    kmsKeyArn: kmsKey
      .optional()
      .describe(
        'Key of the bucket, whose policy leaves the decision to IAM; a new bucket gets a new key when left out, an existing one needs it.',
      ),
    encryptedByS3: z
      .boolean()
      .default(false)
      .describe(
        'The existing bucket is encrypted by S3 itself (SSE-S3): it has no key of KMS, and no function gets a right on one.',
      ),
    secretsKmsKeyArn: kmsKey
      .optional()
      .describe("Key of the kubeconfigs in Secrets Manager; the account's own aws/secretsmanager when left out."),
    permissionsBoundary: arn('iam', 'policy/.+', ':111122223333:policy/boundary')
      .optional()
      .describe('ARN of a policy that bounds every role.'),
    logRetentionDays: z.literal(LOG_RETENTION_DAYS).default(90).describe('Days for which logs are kept.'),
    tags: z
      .record(z.string().min(1).max(128), z.string().max(256))
      .default({})
      .describe('Tags of the stack and of everything in it.'),
    alarms: alarmsSchema.optional(),
    tracing: z.boolean().default(true).describe('Traces runs and functions with X-Ray.'),
    snapshotConcurrency: z
      .int()
      .positive()
      .nullable()
      .default(null)
      .describe(
        'Reserves so many concurrent executions for snapshots, and takes no more at once. AWS leaves 100 to all others: it needs a quota of the account that is larger by that.',
      ),
    vpc: vpcSchema.optional(),
  })
  .refine(({ bucketName, existingBucket }) => bucketName === undefined || existingBucket === undefined, {
    error: 'give at most one of bucketName and existingBucket',
    path: ['existingBucket'],
  })
  .refine(
    ({ encryptedByS3, existingBucket, kmsKeyArn }) =>
      !encryptedByS3 || (existingBucket !== undefined && kmsKeyArn === undefined),
    {
      error: 'say so of an existingBucket only, and give no kmsKeyArn beside it',
      path: ['encryptedByS3'],
    },
  );
export type Deployment = z.infer<typeof deploymentSchema>;
