import { accessOf, type Configuration } from '../lambdas/domain/configuration.ts';
import { deploymentSchema, type Deployment } from '../lambdas/domain/deployment.ts';
import { enrolmentCommand } from '../lambdas/domain/enrolment-command.ts';
import { ConfigurationError } from '../lambdas/domain/errors.ts';
import { kubeconfigSecretName, SECRET_PREFIXES } from '../lambdas/domain/kubeconfig-secret.ts';
import { PURPOSES } from '../lambdas/domain/purpose.ts';
import { refuseFar } from './far-away.ts';
import { namedSecrets, secretPlace } from './kubeconfig-secrets.ts';

/** Of the names of secrets that a role may read one by one: IAM takes 10,240 characters for all inline policies of a role. */
const MOST_SECRET_CHARACTERS = 4_000;
/** What an ARN has around the name. */
const AROUND_A_NAME = 90;

const S3_LOCATION = /^s3:\/\/([^/]+)\/?(.*)$/;

/**
 * How a configuration is deployed, with all defaults. ConfigurationError when it says something that only works where the
 * command line runs, or names one thing in two ways.
 */
export function deploymentOf(configuration: Configuration): Deployment {
  const { managementClusters, s3, store } = configuration;
  const deployment = deploymentSchema.parse(configuration.aws ?? {});
  refuseFiles(managementClusters);
  refuseSecretsOfRestores(managementClusters);
  refuseScatteredSecrets(configuration);
  if (s3?.endpoint !== undefined) {
    throw new ConfigurationError(`the store is at ${s3.endpoint}, but the application keeps its own in S3`, {
      remedy: 'Leave s3.endpoint out, or run the policies with "lifeboat run" instead.',
    });
  }
  refuseFar(configuration, deployment);
  refuseOtherStore(store, deployment);
  refuseKeyNotTold(deployment);
  return deployment;
}

/** Without a bucket that is named, the stack keeps the one that it has made: its name is known after the first deployment only. */
function refuseOtherStore(store: string, { bucketName, existingBucket }: Deployment): void {
  const [, bucket, prefix] = S3_LOCATION.exec(store) ?? [];
  if (bucket === undefined) return;
  if (prefix !== '') {
    throw new ConfigurationError(`the store ${store} has a prefix, but the application uses its bucket from the root`, {
      remedy: `Write "store: s3://${bucket}".`,
    });
  }
  const named = bucketName ?? existingBucket;
  if (named === undefined || named === bucket) return;
  throw new ConfigurationError(`the store is s3://${bucket}, but the application would use s3://${named}`, {
    remedy: `Write "store: s3://${named}"; or aws.existingBucket: ${bucket} for a bucket that exists and that this stack has not made.`,
  });
}

/** A bucket does not tell of its key when the template is made; without a right on it functions can neither read nor write. */
function refuseKeyNotTold({ existingBucket, kmsKeyArn, encryptedByS3 }: Deployment): void {
  if (existingBucket === undefined || kmsKeyArn !== undefined || encryptedByS3) return;
  throw new ConfigurationError(`aws.existingBucket is ${existingBucket}, but nothing says which key encrypts it`, {
    remedy:
      'Write aws.kmsKeyArn: the output Key of the stack that made the bucket, or what ' +
      `"aws s3api get-bucket-encryption --bucket ${existingBucket}" tells. Where that tells AES256, write aws.encryptedByS3: true. ` +
      'For the bucket that this stack itself has made leave aws.existingBucket out.',
  });
}

/** Functions have secrets in place of files. */
function refuseFiles(managementClusters: Configuration['managementClusters']): void {
  for (const [name, cluster] of Object.entries(managementClusters)) {
    for (const purpose of PURPOSES) {
      const { way } = accessOf(cluster, purpose);
      if (!('kubeconfig' in way)) continue;
      const enrol = enrolmentCommand(name, purpose, ['--secret', kubeconfigSecretName(name, purpose)]);
      throw new ConfigurationError(
        `for a ${purpose}, management cluster ${name} is reached by the file ${way.kubeconfig}, which functions do not have`,
        {
          remedy: `Store a kubeconfig in Secrets Manager with "${enrol}", and write what that prints into lifeboat.yaml.`,
        },
      );
    }
  }
}

/** Backups may read all that lies below their prefix: an account that may write must not lie there. */
function refuseSecretsOfRestores(managementClusters: Configuration['managementClusters']): void {
  for (const [name, { restore, ...cluster }] of Object.entries(managementClusters)) {
    if (restore === undefined || !('secret' in restore)) continue;
    const secretName = secretPlace(restore.secret).name;
    if (!secretName.startsWith(SECRET_PREFIXES.backup)) continue;
    if ('secret' in cluster && secretPlace(cluster.secret).name === secretName) continue;
    const enrol = enrolmentCommand(name, 'restore', ['--secret', kubeconfigSecretName(name, 'restore')]);
    throw new ConfigurationError(
      `for a restore, management cluster ${name} is reached by the secret ${restore.secret}, which functions of backups could read as well`,
      {
        remedy: `Store it anew with "${enrol}", write what that prints into lifeboat.yaml, and delete the old secret after the deployment.`,
      },
    );
  }
}

function refuseScatteredSecrets(configuration: Configuration): void {
  for (const purpose of PURPOSES) {
    const { others } = namedSecrets(configuration, purpose);
    const characters = others.reduce((sum, secret) => sum + secret.length + AROUND_A_NAME, 0);
    if (characters <= MOST_SECRET_CHARACTERS) continue;
    throw new ConfigurationError(
      `for a ${purpose}, ${others.length} management clusters name secrets outside of ${SECRET_PREFIXES[purpose]}, which is more than fits into a policy of IAM`,
      {
        remedy: `Enroll them with "--secret ${SECRET_PREFIXES[purpose]}<management cluster>": below that prefix there may be any number.`,
      },
    );
  }
}
