import { Stack } from 'aws-cdk-lib';
import type { Role } from 'aws-cdk-lib/aws-iam';
import { accessOf, type Configuration } from '../lambdas/domain/configuration.ts';
import { SECRET_PREFIXES } from '../lambdas/domain/kubeconfig-secret.ts';
import type { Purpose } from '../lambdas/domain/purpose.ts';
import { permit } from './permissions.ts';

/** The secrets that the configuration names for a purpose: by the prefixes below which they lie, and those elsewhere by their names. */
export interface NamedSecrets {
  readonly prefixes: readonly string[];
  readonly others: readonly string[];
}

export function namedSecrets({ managementClusters }: Configuration, purpose: Purpose): NamedSecrets {
  const secrets = Object.values(managementClusters).flatMap((cluster) => {
    const { way } = accessOf(cluster, purpose);
    return 'secret' in way ? [way.secret] : [];
  });
  // A restore that has no account of its own uses that of backups.
  const readable = purpose === 'backup' ? [SECRET_PREFIXES.backup] : Object.values(SECRET_PREFIXES);
  return {
    prefixes: readable.filter((prefix) => secrets.some((secret) => secret.startsWith(prefix))),
    others: [...new Set(secrets)].filter((secret) => !readable.some((prefix) => secret.startsWith(prefix))).sort(),
  };
}

/** Lets a role read the kubeconfigs for a purpose, and no other secret. */
export function grantKubeconfigs(role: Role, configuration: Configuration, purpose: Purpose): void {
  const stack = Stack.of(role);
  const { prefixes, others } = namedSecrets(configuration, purpose);
  const resources = [
    ...prefixes.map((prefix) => secretArn(stack, `${prefix}*`)),
    ...others.map((one) => secretArn(stack, one)),
  ];
  if (resources.length === 0) return;
  permit(role, {
    actions: ['secretsmanager:GetSecretValue'],
    resources,
    wildcardReason:
      'Below the prefix lie kubeconfigs for this purpose and nothing else; a right for each would not fit into a policy.',
  });
  const key = configuration.aws?.secretsKmsKeyArn;
  if (key === undefined) return;
  const conditions = { StringEquals: { 'kms:ViaService': `secretsmanager.${stack.region}.${stack.urlSuffix}` } };
  permit(role, { actions: ['kms:Decrypt'], resources: [key], conditions });
}

/** Secrets Manager ends every ARN with "-" and six random characters; a name and a short ARN lack them. */
function secretArn(stack: Stack, secret: string): string {
  if (!secret.startsWith('arn:'))
    return stack.formatArn({
      service: 'secretsmanager',
      resource: `secret:${secret}${secret.endsWith('*') ? '' : '-??????'}`,
    });
  return /-[A-Za-z0-9]{6}$/.test(secret) ? secret : `${secret}-??????`;
}
