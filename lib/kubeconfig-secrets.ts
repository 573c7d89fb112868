import { Stack } from 'aws-cdk-lib';
import type { Role } from 'aws-cdk-lib/aws-iam';
import { accessOf, type Configuration } from '../lambdas/domain/configuration.ts';
import { SECRET_PREFIXES } from '../lambdas/domain/kubeconfig-secret.ts';
import type { Purpose } from '../lambdas/domain/purpose.ts';
import { permit } from './permissions.ts';

/** Before the name of a secret in an ARN. */
const BEFORE_A_NAME = /^arn:[^:]+:secretsmanager:[^:]*:[^:]*:secret:/;
/** Secrets Manager ends every ARN with it; a name and a short ARN lack it. */
const AFTER_A_NAME = /-[A-Za-z0-9]{6}$/;

/** A secret as the configuration gives it, by its name or by an ARN, told apart. */
export function secretPlace(secret: string): { readonly before: string; readonly name: string } {
  const [before = ''] = BEFORE_A_NAME.exec(secret) ?? [];
  if (before === '') return { before, name: secret };
  return { before, name: secret.slice(before.length).replace(AFTER_A_NAME, '') };
}

/** The secrets that the configuration names for a purpose: by the prefixes below which they lie, each as an ARN where one is given so, and those elsewhere as they are given. */
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
  const placed = secrets.map((secret) => {
    const { before, name } = secretPlace(secret);
    const prefix = readable.find((one) => name.startsWith(one));
    return prefix === undefined ? { secret } : { prefix: `${before}${prefix}` };
  });
  const distinct = (texts: readonly (string | undefined)[]) =>
    [...new Set(texts.filter((text) => text !== undefined))].sort();
  return {
    prefixes: distinct(placed.map(({ prefix }) => prefix)),
    others: distinct(placed.map(({ secret }) => secret)),
  };
}

/** Lets a role read the kubeconfigs for a purpose, and no other secret. */
export function grantKubeconfigs(role: Role, configuration: Configuration, purpose: Purpose): void {
  const stack = Stack.of(role);
  if (!permitOnSecrets(role, 'secretsmanager:GetSecretValue', configuration, purpose)) return;
  const key = configuration.aws?.secretsKmsKeyArn;
  if (key === undefined) return;
  const conditions = { StringEquals: { 'kms:ViaService': `secretsmanager.${stack.region}.${stack.urlSuffix}` } };
  permit(role, { actions: ['kms:Decrypt'], resources: [key], conditions });
}

/** Lets a role see when the accounts for restores end, which stands beside their kubeconfigs, and not the kubeconfigs. */
export function grantEndsOfRestoreAccounts(role: Role, configuration: Configuration): void {
  const own = Object.entries(configuration.managementClusters).filter(([, { restore }]) => restore !== undefined);
  const managementClusters = Object.fromEntries(own);
  permitOnSecrets(role, 'secretsmanager:DescribeSecret', { ...configuration, managementClusters }, 'restore');
}

/** Whether there are any. */
function permitOnSecrets(role: Role, action: string, configuration: Configuration, purpose: Purpose): boolean {
  const stack = Stack.of(role);
  const { prefixes, others } = namedSecrets(configuration, purpose);
  const resources = [
    ...prefixes.map((prefix) => secretArn(stack, `${prefix}*`)),
    ...others.map((one) => secretArn(stack, one)),
  ];
  if (resources.length === 0) return false;
  permit(role, {
    actions: [action],
    resources,
    wildcardReason:
      'Below the prefix lie kubeconfigs for this purpose and nothing else; a right for each would not fit into a policy.',
  });
  return true;
}

/** Of what an ARN or a name, or with "*" the beginning of one, stands for. */
function secretArn(stack: Stack, secret: string): string {
  const { before } = secretPlace(secret);
  const ending = secret.endsWith('*') || (before !== '' && AFTER_A_NAME.test(secret)) ? '' : '-??????';
  if (before !== '') return `${secret}${ending}`;
  return stack.formatArn({ service: 'secretsmanager', resource: `secret:${secret}${ending}` });
}
