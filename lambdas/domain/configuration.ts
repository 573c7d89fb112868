import * as z from 'zod';
import { DEFAULT_STACK_NAME, deploymentSchema } from './deployment.ts';
import { eksAccessSchema } from './eks-access.ts';
import { ConfigurationError } from './errors.ts';
import { hookSchema } from './hooks.ts';
import { policyNameSchema, policySchema, type Policy } from './policy.ts';
import type { Purpose } from './purpose.ts';

const DEFAULT_SAFETY_GRACE_DAYS = 14;

const clusterName = z
  .string()
  .regex(/^[a-z0-9]([-a-z0-9.]{0,61}[a-z0-9])?$/, 'use lower-case letters, digits, "-" and "."');

const WAYS = [
  z.strictObject({
    kubeconfig: z.string().min(1).describe('Path of a kubeconfig file, relative to this file.'),
  }),
  z.strictObject({
    secret: z.string().min(1).describe('Name in Secrets Manager of a secret that holds a kubeconfig.'),
  }),
  z.strictObject({
    eks: eksAccessSchema.describe('An EKS cluster; tokens for it are signed with the AWS credentials at hand.'),
  }),
] as const;
const oneOfWays = (more: string) =>
  `give exactly one of "kubeconfig: <path>", "secret: <name in Secrets Manager>" and "eks: { cluster, region, endpoint, certificateAuthority }"${more}`;

const restoreAccess = {
  restore: z
    .union(WAYS, { error: oneOfWays('') })
    .optional()
    .describe('How restores reach it, with an account that may write; as everything else does when left out.'),
};
const besides = {
  ...restoreAccess,
  namespaces: z
    .array(z.string().regex(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/, 'use the name of a namespace'))
    .min(1)
    .optional()
    .describe('Where to look for control planes, for an account that may not look everywhere. Default: everywhere.'),
};
const managementClusterSchema = z
  .union([WAYS[0].extend(besides), WAYS[1].extend(besides), WAYS[2].extend(besides)], {
    error: oneOfWays(', and beside it nothing but "namespaces" and "restore", which is one of them too'),
  })
  .describe('How the management cluster is reached.');
export type ManagementCluster = z.infer<typeof managementClusterSchema>;

/** Everything that `lifeboat.yaml` may say; unknown keys are refused, so that a typing error can't pass as a default. */
export const configurationSchema = z
  .strictObject({
    store: z
      .string()
      .min(1)
      .describe('Where recovery points lie: a directory, relative to this file, or s3://bucket/prefix.'),
    s3: z
      .strictObject({
        endpoint: z
          .url({ protocol: /^https?$/ })
          .optional()
          .describe('URL of a store other than AWS.'),
        region: z.string().min(1).optional().describe('Region of the bucket.'),
        forcePathStyle: z
          .boolean()
          .optional()
          .describe('Puts the bucket into the path of URLs instead of the host name.'),
      })
      .optional()
      .describe('How S3 is reached.'),
    managementClusters: z
      .record(clusterName, managementClusterSchema)
      .describe('The clusters whose pods run control planes, by a name of your choice.'),
    policies: z.record(policyNameSchema, policySchema).optional().describe('What is backed up when, by name.'),
    hooks: z.array(hookSchema).optional().describe('Told of all events, of every policy.'),
    restore: z
      .strictObject({
        helperImage: z
          .string()
          .min(1)
          .optional()
          .describe(
            'Of the pods that receive and move data: any with a POSIX shell, and curl for presigned-url. Name it by digest, image@sha256:…, best of a mirror of your own: it gets to see all data of etcd. Default: curlimages/curl.',
          ),
        transfer: z
          .enum(['attach', 'presigned-url'])
          .optional()
          .describe(
            'How a snapshot gets to those pods: through the API server (attach, the default), or from S3 itself, where they can reach it.',
          ),
        safetyGraceDays: z
          .int()
          .positive()
          .max(3650)
          .optional()
          .describe('How long the recovery point that a restore takes first is kept from retention. Default: 14.'),
      })
      .optional()
      .describe('How restores are done.'),
    aws: deploymentSchema.optional().describe('How the application is deployed to AWS.'),
  })
  .refine(({ store, restore }) => restore?.transfer !== 'presigned-url' || store.startsWith('s3://'), {
    path: ['restore', 'transfer'],
    message: 'a directory has no pre-signed URLs: use "attach", or a store such as s3://bucket/prefix',
  })
  .meta({ title: 'lifeboat.yaml', description: 'Configuration of Lifeboat.' });
export type Configuration = z.infer<typeof configurationSchema>;

/** How an account for this purpose reaches a management cluster, and where in its entry that stands. */
export function accessOf(
  cluster: ManagementCluster,
  purpose: Purpose,
): { readonly way: z.infer<(typeof WAYS)[number]>; readonly path: string } {
  if (purpose === 'restore' && cluster.restore !== undefined) return { way: cluster.restore, path: '.restore' };
  return { way: cluster, path: '' };
}

/** Of the stack that the application is deployed as. */
export function stackNameOf({ aws }: Configuration): string {
  return aws?.stackName ?? DEFAULT_STACK_NAME;
}

/** How long safety recovery points are kept from retention. */
export function safetyGraceDays({ restore }: Configuration): number {
  return restore?.safetyGraceDays ?? DEFAULT_SAFETY_GRACE_DAYS;
}

/** A policy by its name; ConfigurationError names those there are. */
export function policyNamed({ policies = {} }: Configuration, name: string): Policy {
  const policy = policies[name];
  if (policy !== undefined) return policy;
  throw new ConfigurationError(`there is no policy "${name}"`, {
    remedy: `Known are: ${Object.keys(policies).join(', ') || 'none'}. Add it below policies, or correct the name.`,
  });
}
