import { accessOf, type Configuration } from '../lambdas/domain/configuration.ts';
import type { Deployment } from '../lambdas/domain/deployment.ts';
import { ConfigurationError } from '../lambdas/domain/errors.ts';
import type { Hook } from '../lambdas/domain/hooks.ts';
import { PURPOSES } from '../lambdas/domain/purpose.ts';

/** What the configuration names and AWS looks for where the application is. */
interface Placed {
  /** Where it stands in the configuration. */
  readonly path: string;
  readonly value: string;
  readonly region?: string | undefined;
  readonly account?: string | undefined;
  readonly remedy: string;
}

/** ConfigurationError when something is in another region or account than the application, where AWS would refuse it or not find it. */
export function refuseFar(configuration: Configuration, { region, account }: Deployment): void {
  const here = { region, account };
  for (const placed of placedOf(configuration)) {
    for (const dimension of ['region', 'account'] as const) {
      const [there, wanted] = [placed[dimension], here[dimension]];
      if (there === undefined || wanted === undefined || there === wanted) continue;
      throw new ConfigurationError(
        `${placed.path} is not where the application is deployed: ${placed.value} is in ${dimension} ${there}, and aws.${dimension} is ${wanted}`,
        { remedy: placed.remedy },
      );
    }
  }
}

function placedOf(configuration: Configuration): readonly Placed[] {
  const { aws, s3, hooks = [], policies = {} } = configuration;
  return [
    ...given(s3?.region, (value) => ({
      path: 's3.region',
      value: 'the store',
      region: value,
      remedy:
        'Leave s3.region out, or give the region of the deployment: functions look for their bucket where they are.',
    })),
    // Another account may share a topic or a key, which its policy then says.
    ...given(aws?.alarms?.topic, (value) => ({
      path: 'aws.alarms.topic',
      value,
      region: placeOf(value).region,
      remedy: 'Give a topic in the region of the deployment: alarms reach no other.',
    })),
    ...(['kmsKeyArn', 'secretsKmsKeyArn'] as const).flatMap((name) =>
      given(aws?.[name], (value) => ({
        path: `aws.${name}`,
        value,
        region: placeOf(value).region,
        remedy: 'Give a key in the region of the deployment; one of several regions has an ARN in each.',
      })),
    ),
    // Policies of AWS's own have no account.
    ...given(aws?.permissionsBoundary, (value) => ({
      path: 'aws.permissionsBoundary',
      value,
      account: /^\d+$/.test(placeOf(value).account) ? placeOf(value).account : undefined,
      remedy: 'Give a policy of the account that is deployed to: IAM takes no other for a boundary.',
    })),
    ...secretsOf(configuration),
    ...hooks.flatMap((hook, index) => targetOf(hook, `hooks[${index}]`)),
    ...Object.entries(policies).flatMap(([name, policy]) =>
      (policy.hooks ?? []).flatMap((hook, index) => targetOf(hook, `policies.${name}.hooks[${index}]`)),
    ),
  ];
}

/** Those of another account may be shared; functions look for all in their own region. */
function secretsOf({ managementClusters }: Configuration): readonly Placed[] {
  return Object.entries(managementClusters).flatMap(([name, cluster]) =>
    PURPOSES.flatMap((purpose) => {
      const { way, path } = accessOf(cluster, purpose);
      if (!('secret' in way) || !way.secret.startsWith('arn:')) return [];
      return [
        {
          path: `managementClusters.${name}${path}.secret`,
          value: way.secret,
          region: placeOf(way.secret).region,
          remedy:
            'Store the kubeconfig in the region of the deployment: "lifeboat enroll" does, with --secret and AWS_REGION.',
        },
      ];
    }),
  );
}

/** EventBridge reaches targets of its own region only, and none of another account without that one's consent. */
function targetOf(hook: Hook, path: string): readonly Placed[] {
  return (['lambda', 'sns', 'sqs', 'stateMachine'] as const).flatMap((kind) =>
    given(hook[kind], (value) => ({
      path: `${path}.${kind}`,
      value,
      ...placeOf(value),
      remedy: 'Give a target in the same account and region; from there it can be passed on.',
    })),
  );
}

function given(value: string | undefined, placed: (value: string) => Placed): readonly Placed[] {
  return value === undefined ? [] : [placed(value)];
}

function placeOf(arn: string): { readonly region: string; readonly account: string } {
  const [, , , region = '', account = ''] = arn.split(':');
  return { region, account };
}
