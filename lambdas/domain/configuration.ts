import { z } from 'zod';
import { policyNameSchema, policySchema } from './policy.ts';

const clusterName = z
  .string()
  .regex(/^[a-z0-9]([-a-z0-9.]{0,61}[a-z0-9])?$/, 'use lower-case letters, digits, "-" and "."');

/** How one management cluster is reached: a kubeconfig file, or a secret of AWS Secrets Manager that holds one. */
const managementClusterSchema = z.union(
  [z.strictObject({ kubeconfig: z.string().min(1) }), z.strictObject({ secret: z.string().min(1) })],
  { error: 'give exactly one of "kubeconfig: <path>" and "secret: <name in Secrets Manager>"' },
);

/** Everything that `lifeboat.yaml` may say; unknown keys are refused, so that a typing error can't pass as a default. */
export const configurationSchema = z.strictObject({
  /** A directory (relative to this file) or `s3://bucket/prefix`. */
  store: z.string().min(1),
  s3: z
    .strictObject({
      endpoint: z.url({ protocol: /^https?$/ }).optional(),
      region: z.string().min(1).optional(),
      forcePathStyle: z.boolean().optional(),
    })
    .optional(),
  managementClusters: z.record(clusterName, managementClusterSchema),
  policies: z.record(policyNameSchema, policySchema).optional(),
});
export type Configuration = z.infer<typeof configurationSchema>;
