import * as z from 'zod';
import { etcdInstallationSchema, type EtcdInstallation } from './etcd-installation.ts';

const workloadSchema = z.strictObject({
  kind: z.enum(['Deployment', 'StatefulSet']),
  namespace: z.string(),
  name: z.string(),
  /** What it is brought back to. */
  replicas: z.int().nonnegative(),
});
export type Workload = z.infer<typeof workloadSchema>;

/** The StatefulSet that a datastore's members are pods of. */
export function statefulSetOf({ namespace, statefulSet, members }: EtcdInstallation): Workload {
  return { kind: 'StatefulSet', namespace, name: statefulSet, replicas: members.length };
}

const writerSchema = workloadSchema.extend({
  /** What it had when it was described: a restore that is taken back ends there. */
  foundReplicas: z.int().nonnegative(),
  /** How many of them were ready. */
  foundReady: z.int().nonnegative(),
});
export type Writer = z.infer<typeof writerSchema>;

/** What a restore in place works on, as a platform describes it. It holds no secrets, so that it can be recorded in a plan. */
export const restoreTargetSchema = z.strictObject({
  uid: z.string(),
  /** Version of the control plane as its platform reports it; null while it reports none. */
  version: z.string().nullable(),
  datastores: z.array(etcdInstallationSchema).min(1),
  /** Whose pods write to the datastores: to zero for the time of the swap, and back. */
  writers: z.array(writerSchema),
  /** Secrets and ConfigMaps that the pods of datastores and writers mount and that are not there, as `<kind> <namespace>/<name>`. */
  lacking: z.array(z.string()),
  /** The pause that was set before; null: none. */
  pausedUntil: z.string().nullable(),
  /** What a person should know before the restore, e.g. what a pause does not cover. */
  warnings: z.array(z.string()),
});
export type RestoreTarget = z.infer<typeof restoreTargetSchema>;
