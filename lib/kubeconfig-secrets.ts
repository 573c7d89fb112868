import { Stack } from 'aws-cdk-lib';
import type { Role } from 'aws-cdk-lib/aws-iam';
import { accessOf, type Configuration } from '../lambdas/domain/configuration.ts';
import type { Purpose } from '../lambdas/domain/purpose.ts';
import { permit } from './permissions.ts';

/** Lets a role read the kubeconfigs that the configuration names for a purpose, and no other secret. */
export function grantKubeconfigs(role: Role, { managementClusters, aws }: Configuration, purpose: Purpose): void {
  const stack = Stack.of(role);
  const secrets = Object.values(managementClusters).flatMap((cluster) => {
    const { way } = accessOf(cluster, purpose);
    return 'secret' in way ? [way.secret] : [];
  });
  if (secrets.length === 0) return;
  const resources = [...new Set(secrets)].sort().map((secret) => secretArn(stack, secret));
  permit(role, { actions: ['secretsmanager:GetSecretValue'], resources });
  const key = aws?.secretsKmsKeyArn;
  if (key === undefined) return;
  const conditions = { StringEquals: { 'kms:ViaService': `secretsmanager.${stack.region}.${stack.urlSuffix}` } };
  permit(role, { actions: ['kms:Decrypt'], resources: [key], conditions });
}

/** Secrets Manager ends every ARN with "-" and six random characters; a name and a short ARN lack them. */
function secretArn(stack: Stack, secret: string): string {
  if (!secret.startsWith('arn:'))
    return stack.formatArn({ service: 'secretsmanager', resource: `secret:${secret}-??????` });
  return /-[A-Za-z0-9]{6}$/.test(secret) ? secret : `${secret}-??????`;
}
