import * as z from 'zod';

/**
 * An EKS cluster as `lifeboat.yaml` names it; `aws eks describe-cluster` prints all of it. Tokens are signed with the AWS
 * credentials of whoever runs us.
 */
export const eksAccessSchema = z.strictObject({
  // https://docs.aws.amazon.com/eks/latest/APIReference/API_CreateCluster.html
  cluster: z
    .string()
    .regex(/^[0-9A-Za-z][A-Za-z0-9_-]{0,99}$/, 'give the name that the cluster has in EKS')
    .describe('Name of the cluster in EKS.'),
  region: z
    .string()
    .regex(/^[a-z]{2,}(-[a-z]+)+-\d+$/, 'give a region such as eu-central-1')
    .describe('AWS region of the cluster, e.g. eu-central-1.'),
  endpoint: z
    .url({ protocol: /^https$/, error: 'give the https address of the API server' })
    .describe('Address of the API server: cluster.endpoint of "aws eks describe-cluster".'),
  certificateAuthority: z
    .base64({ error: 'give certificateAuthority.data as it is: base64 of a PEM' })
    .min(1)
    .describe('CA of the API server: cluster.certificateAuthority.data of "aws eks describe-cluster".'),
});
export type EksAccess = z.infer<typeof eksAccessSchema>;
