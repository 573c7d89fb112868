import type { V1LocalObjectReference, V1PodSecurityContext, V1Toleration } from '@kubernetes/client-node';
import * as z from 'zod';
import type { DedicatedEtcd } from './datastore.ts';
import type { Plain } from './kubernetes-object.ts';

/** One member of an etcd as it lies on its volume. Its pod's name is its member's name as well. */
const memberVolumeSchema = z.strictObject({
  pod: z.string(),
  peerUrl: z.string(),
  /** The PersistentVolumeClaim with its data. */
  claim: z.string(),
  /** What the claim may hold. */
  capacityBytes: z.int().nonnegative(),
  /** The node of its pod, where the volume is attached; null while it has no pod that stays on a node. */
  node: z.string().nullable(),
  /** Its pod when it was described. */
  podState: z.enum(['ready', 'not-ready', 'none']),
  /** The claim as the StatefulSet would make it, while there is none; null: it is there. */
  lostClaim: z
    .looseObject({ apiVersion: z.string(), kind: z.string(), metadata: z.looseObject({ name: z.string() }) })
    .nullable(),
});

/** What every helper pod takes over from the pods of the StatefulSet, as the API serves it. */
const podSettings = z.strictObject({
  image: z.string(),
  imagePullPolicy: z.string().optional(),
  imagePullSecrets: z.array(z.custom<Plain<V1LocalObjectReference>>()).optional(),
  securityContext: z.custom<Plain<V1PodSecurityContext>>().optional(),
  containerSecurityContext: z.unknown().optional(),
  /** Who etcd's container was seen to run as, where kubelet and its runtime tell it. */
  seenUser: z.strictObject({ uid: z.int().nonnegative(), gid: z.int().nonnegative() }).optional(),
  tolerations: z.array(z.custom<Plain<V1Toleration>>()).optional(),
  priorityClassName: z.string().optional(),
  nodeSelector: z.record(z.string(), z.string()).optional(),
  /** Topology keys by which no two of them may be in one place, e.g. one a zone: a new volume is where its first pod is. */
  spreadOver: z.array(z.string()).optional(),
});

/**
 * An etcd as it is installed: what a restore must know beyond what a snapshot needs. A platform describes it, the datastore
 * room restores anything so described. It holds no secrets, so that it can be recorded in a plan.
 */
export const etcdInstallationSchema = z.strictObject({
  /** Name of the datastore inside its control plane. */
  datastore: z.string(),
  namespace: z.string(),
  statefulSet: z.string(),
  /** What the StatefulSet had when it was described; its members may be more. */
  replicas: z.int().nonnegative(),
  clientPort: z.int(),
  /** Where the volume is mounted, e.g. `/var/lib`. */
  mountPath: z.string(),
  /** The directory of the data below it, e.g. `data`; empty: the root of the volume. */
  dataDirectory: z.string(),
  members: z.array(memberVolumeSchema).min(1),
  pods: podSettings,
});
export type EtcdInstallation = z.infer<typeof etcdInstallationSchema>;

/**
 * What is exchanged on a volume, and where in that etcd has its files: the data directory; where that is the volume's root, the one
 * directory that etcd makes in it.
 */
export function exchangedDirectory({
  mountPath,
  dataDirectory,
}: Pick<EtcdInstallation, 'mountPath' | 'dataDirectory'>): { readonly path: string; readonly inner: 'member' | '.' } {
  return dataDirectory === ''
    ? { path: `${mountPath}/member`, inner: '.' }
    : { path: `${mountPath}/${dataDirectory}`, inner: 'member' };
}

/** The same as a driver knows it: each member is asked, whatever its pod says of itself. */
export function etcdOf({ datastore, namespace, clientPort, members }: EtcdInstallation): DedicatedEtcd {
  const pods = members.map(({ pod }) => ({ pod, ready: true }));
  return { kind: 'etcd', name: datastore, namespace, clientPort, members: pods };
}

export type EtcdMemberVolume = z.infer<typeof memberVolumeSchema>;
