import { accessOf, type Configuration } from '../lambdas/domain/configuration.ts';
import { deploymentSchema, type Deployment } from '../lambdas/domain/deployment.ts';
import { enrolmentCommand } from '../lambdas/domain/enrolment-command.ts';
import { ConfigurationError } from '../lambdas/domain/errors.ts';
import { PURPOSES } from '../lambdas/domain/purpose.ts';

const S3_LOCATION = /^s3:\/\/([^/]+)\/?(.*)$/;

/**
 * How a configuration is deployed, with all defaults. ConfigurationError when it says something that only works where the
 * command line runs, or names one thing in two ways.
 */
export function deploymentOf(configuration: Configuration): Deployment {
  const { managementClusters, s3, store } = configuration;
  const deployment = deploymentSchema.parse(configuration.aws ?? {});
  refuseFiles(managementClusters);
  if (s3?.endpoint !== undefined) {
    throw new ConfigurationError(`the store is at ${s3.endpoint}, but the application keeps its own in S3`, {
      remedy: 'Leave s3.endpoint out, or run the policies with "lifeboat run" instead.',
    });
  }
  refuseFarHooks(configuration, deployment);
  const [, bucket, prefix] = S3_LOCATION.exec(store) ?? [];
  if (bucket === undefined) return deployment;
  if (prefix !== '') {
    throw new ConfigurationError(`the store ${store} has a prefix, but the application uses its bucket from the root`, {
      remedy: `Write "store: s3://${bucket}".`,
    });
  }
  const named = deployment.bucketName ?? deployment.existingBucket;
  if (named === bucket) return deployment;
  throw new ConfigurationError(
    `the store is s3://${bucket}, but the application would use ${named === undefined ? 'a new bucket' : `s3://${named}`}`,
    { remedy: `Add aws.bucketName: ${bucket} to have it created, or aws.existingBucket: ${bucket} if it exists.` },
  );
}

/** Functions have secrets in place of files. */
function refuseFiles(managementClusters: Configuration['managementClusters']): void {
  for (const [name, cluster] of Object.entries(managementClusters)) {
    for (const purpose of PURPOSES) {
      const { way } = accessOf(cluster, purpose);
      if (!('kubeconfig' in way)) continue;
      const secret = `lifeboat/management-clusters/${name}${purpose === 'backup' ? '' : `-${purpose}`}`;
      const enrol = enrolmentCommand(name, purpose, ['--secret', secret]);
      throw new ConfigurationError(
        `for a ${purpose}, management cluster ${name} is reached by the file ${way.kubeconfig}, which functions do not have`,
        {
          remedy: `Store a kubeconfig in Secrets Manager with "${enrol}", and write what that prints into lifeboat.yaml.`,
        },
      );
    }
  }
}

/** EventBridge reaches targets of its own region only, and none of another account without that one's consent. */
function refuseFarHooks({ hooks = [], policies = {} }: Configuration, { account, region }: Deployment): void {
  for (const hook of [...hooks, ...Object.values(policies).flatMap((policy) => policy.hooks ?? [])]) {
    const arn = hook.lambda ?? hook.sns ?? hook.sqs ?? hook.stateMachine;
    if (arn === undefined) continue;
    const [, , , targetRegion = '', targetAccount = ''] = arn.split(':');
    const isNear = (region ?? targetRegion) === targetRegion && (account ?? targetAccount) === targetAccount;
    if (isNear) continue;
    throw new ConfigurationError(`the hook ${arn} is not where the application is deployed`, {
      remedy: 'Give a target in the same account and region; from there it can be passed on.',
    });
  }
}
