import { posix } from 'node:path';
import type {
  V1LocalObjectReference,
  V1PersistentVolumeClaim,
  V1PodSecurityContext,
  V1PodSpec,
  V1Toleration,
} from '@kubernetes/client-node';
import * as z from 'zod';
import { NotFoundError, RestoreRefusedError, UnsupportedError } from '../../domain/errors.ts';
import type { EtcdInstallation, EtcdMemberVolume } from '../../domain/etcd-installation.ts';
import type { KubernetesObject, Plain } from '../../domain/kubernetes-object.ts';
import type { KubeApi } from '../../kube/kube-api.ts';
import { mountsOf, type MountedObject } from '../../kube/mounted-objects.ts';
import { isReady } from '../../kube/pod-readiness.ts';
import type { DeclaredEtcd } from './declared-etcd.ts';
import { parseStorageQuantity } from './storage-quantity.ts';

const containerSchema = z.object({
  name: z.string(),
  image: z.string(),
  imagePullPolicy: z.string().optional(),
  command: z.array(z.string()).default([]),
  args: z.array(z.string()).default([]),
  env: z.array(z.object({ name: z.string(), value: z.string().optional() })).default([]),
  securityContext: z.unknown().optional(),
  volumeMounts: z
    .array(
      z.object({
        name: z.string(),
        mountPath: z.string(),
        subPath: z.string().optional(),
        subPathExpr: z.string().optional(),
      }),
    )
    .default([]),
});
type Container = z.infer<typeof containerSchema>;

const claimTemplateSchema = z.object({
  metadata: z.object({
    name: z.string(),
    labels: z.record(z.string(), z.string()).optional(),
    annotations: z.record(z.string(), z.string()).optional(),
  }),
  spec: z.looseObject({ resources: z.object({ requests: z.object({ storage: z.string() }) }) }),
});
type ClaimTemplate = z.infer<typeof claimTemplateSchema>;

const affinitySchema = z
  .object({
    podAntiAffinity: z
      .object({
        requiredDuringSchedulingIgnoredDuringExecution: z.array(z.object({ topologyKey: z.string() })).default([]),
      })
      .optional(),
  })
  .optional();

const statefulSetSchema = z.object({
  spec: z.object({
    replicas: z.int().default(1),
    serviceName: z.string(),
    selector: z.object({ matchLabels: z.record(z.string(), z.string()).optional() }).optional(),
    template: z.object({
      spec: z.object({
        containers: z.array(containerSchema),
        imagePullSecrets: z.array(z.custom<Plain<V1LocalObjectReference>>()).optional(),
        securityContext: z.custom<Plain<V1PodSecurityContext>>().optional(),
        tolerations: z.array(z.custom<Plain<V1Toleration>>()).optional(),
        priorityClassName: z.string().optional(),
        nodeSelector: z.record(z.string(), z.string()).optional(),
        affinity: affinitySchema,
      }),
    }),
    volumeClaimTemplates: z.array(claimTemplateSchema).default([]),
  }),
});

/** Kubelet 1.33 and later, where the runtime tells it, as containerd 2.0 does (KEP-3619). */
const podUserSchema = z.object({
  status: z.object({
    containerStatuses: z.array(
      z.object({
        name: z.string(),
        user: z.object({ linux: z.object({ uid: z.int(), gid: z.int() }).optional() }).optional(),
      }),
    ),
  }),
});

const claimSchema = z.object({
  spec: z.object({ resources: z.object({ requests: z.object({ storage: z.string() }) }) }),
  status: z.object({ phase: z.string().optional(), capacity: z.object({ storage: z.string() }).optional() }).optional(),
});

/** An etcd as it is installed, and what a person should know of it. No installation: its data is on no volume. */
export interface DescribedInstallation {
  readonly installation: EtcdInstallation | undefined;
  readonly mounts: readonly MountedObject[];
  readonly warnings: readonly string[];
}

/**
 * Reads how an etcd is installed from its StatefulSet, claims and `pods`, those of its namespace; it may stand at zero.
 * NotFoundError without the StatefulSet, RestoreRefusedError when a member's claim is neither there nor gone,
 * UnsupportedError for a StatefulSet of another form.
 */
export async function describeInstallation(
  api: KubeApi,
  etcd: DeclaredEtcd,
  pods: readonly KubernetesObject[],
): Promise<DescribedInstallation> {
  const { datastore, namespace, statefulSet } = etcd;
  const object = await readStatefulSet(api, namespace, statefulSet);
  const { spec } = parseAs(statefulSetSchema, object);
  const mounts = mountsOf(object);
  const data = findData(spec.template.spec.containers, `StatefulSet ${namespace}/${statefulSet}`);
  const claimTemplate = spec.volumeClaimTemplates.find(({ metadata }) => metadata.name === data.volume);
  if (claimTemplate === undefined) {
    const lost = `The data of etcd ${datastore} (StatefulSet ${statefulSet}) is on no volume: it is left as it is.`;
    return { installation: undefined, mounts, warnings: [lost] };
  }
  const members = Array.from({ length: etcd.members }, async (_, index) => {
    const pod = `${statefulSet}-${index}`;
    const claim = `${claimTemplate.metadata.name}-${pod}`;
    const peerUrl = etcd.peerUrlOf(pod, spec.serviceName);
    const whenLost = claimFrom(claimTemplate, namespace, claim, spec.selector?.matchLabels ?? {});
    return await describeMember(api, namespace, { pod, claim, peerUrl }, whenLost, pods);
  });
  const isMember = ({ metadata: { name } }: KubernetesObject) =>
    name.startsWith(`${statefulSet}-`) && /^\d+$/.test(name.slice(statefulSet.length + 1));
  const { imagePullSecrets, securityContext, tolerations, priorityClassName, nodeSelector, affinity } =
    spec.template.spec;
  const apart = affinity?.podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? [];
  const { image, imagePullPolicy, securityContext: containerSecurityContext } = data.container;
  const installation = {
    datastore,
    namespace,
    statefulSet,
    replicas: spec.replicas,
    clientPort: etcd.clientPort,
    mountPath: data.mountPath,
    dataDirectory: data.directory,
    members: await Promise.all(members),
    pods: {
      image,
      imagePullPolicy,
      imagePullSecrets,
      securityContext,
      containerSecurityContext,
      ...seenUserOf(pods.filter(isMember), data.container.name),
      tolerations,
      priorityClassName,
      nodeSelector,
      spreadOver: apart.map(({ topologyKey }) => topologyKey),
    },
  };
  const differs = spec.replicas !== 0 && spec.replicas !== etcd.members;
  const scaled = `StatefulSet ${statefulSet} has ${spec.replicas} replicas, but etcd ${datastore} is declared with ${etcd.members} members.`;
  return { installation, mounts, warnings: differs ? [scaled] : [] };
}

async function readStatefulSet(api: KubeApi, namespace: string, name: string): Promise<KubernetesObject> {
  const object = await api.get({ apiVersion: 'apps/v1', kind: 'StatefulSet', namespace, name });
  if (object !== undefined) return object;
  throw new NotFoundError(`there is no StatefulSet ${name} in namespace ${namespace}`, {
    remedy:
      'The operator makes it again, on the volumes that are there, as soon as there is no pause. If the Secrets of the namespace are gone too, create those of the recovery point first: it would sign with new ones.',
  });
}

interface DataPlace {
  readonly container: Container;
  readonly volume: string;
  readonly mountPath: string;
  /** Below the mount path; empty: the mount path itself. */
  readonly directory: string;
}

/** Finds the container that is told where etcd's data is, and the volume it is on. */
function findData(containers: readonly Container[], where: string): DataPlace {
  for (const container of containers) {
    const told = dataDirectoryOf(container);
    if (told === undefined) continue;
    const path = posix.resolve(told);
    const [mount] = container.volumeMounts
      .map((volumeMount) => ({ ...volumeMount, mountPath: posix.resolve(volumeMount.mountPath) }))
      .filter(({ mountPath }) => `${path}/`.startsWith(`${mountPath}/`))
      .sort((a, b) => b.mountPath.length - a.mountPath.length);
    if (mount === undefined) throw unsupported(where, `keeps etcd's data in ${path}, where nothing is mounted`);
    const { name: volume, mountPath } = mount;
    const directory = posix.relative(mountPath, path);
    if (mount.subPath !== undefined || mount.subPathExpr !== undefined) {
      throw unsupported(
        where,
        `keeps etcd's data in a part of volume ${volume} (subPath), where there is no room beside them`,
      );
    }
    return { container, volume, mountPath, directory };
  }
  throw unsupported(where, "does not say where etcd's data is (--data-dir or ETCD_DATA_DIR)");
}

/** Platforms set the flag, some of them inside a shell's script, or the variable. */
function dataDirectoryOf({ command, args, env }: Container): string | undefined {
  const [, flag] = /--data-dir[= ]+["']?([^\s"'\\]+)/.exec([...command, ...args].join(' ')) ?? [];
  return flag ?? env.find(({ name }) => name === 'ETCD_DATA_DIR')?.value;
}

type MemberPlace = Pick<EtcdMemberVolume, 'pod' | 'peerUrl' | 'claim'>;

async function describeMember(
  api: KubeApi,
  namespace: string,
  place: MemberPlace,
  whenLost: KubernetesObject & Pick<ClaimTemplate, 'spec'>,
  pods: readonly KubernetesObject[],
): Promise<EtcdMemberVolume> {
  const { pod, claim } = place;
  const object = await api.get({ apiVersion: 'v1', kind: 'PersistentVolumeClaim', namespace, name: claim });
  const member = { ...place, ...describePod(pods.find(({ metadata }) => metadata.name === pod)) };
  if (object === undefined) {
    const { storage } = whenLost.spec.resources.requests;
    return { ...member, capacityBytes: parseStorageQuantity(storage), lostClaim: whenLost };
  }
  const { spec, status } = parseAs(claimSchema, object);
  if (object.metadata.deletionTimestamp !== undefined) {
    throw new RestoreRefusedError(`PersistentVolumeClaim ${claim} in ${namespace} is being deleted`, {
      remedy: `It goes as soon as ${pod} ends, and the data with it. Take a backup if etcd serves, then end ${pod}; restore when the claim is gone or made anew.`,
    });
  }
  if (status?.phase === 'Lost') {
    throw new RestoreRefusedError(`PersistentVolumeClaim ${claim} in ${namespace} has lost its volume`, {
      remedy: 'Its data are gone. Delete the claim, then restore: it is made anew.',
    });
  }
  const capacity = status?.capacity?.storage ?? spec.resources.requests.storage;
  return { ...member, capacityBytes: parseStorageQuantity(capacity), lostClaim: null };
}

function describePod(pod: KubernetesObject | undefined): Pick<EtcdMemberVolume, 'node' | 'podState'> {
  // One that goes away may do so for ever, on a node that does not answer; its volume is not bound to that.
  if (pod === undefined || pod.metadata.deletionTimestamp !== undefined) return { node: null, podState: 'none' };
  const { nodeName } = pod['spec'] as Plain<V1PodSpec>;
  return { node: nodeName ?? null, podState: isReady(pod) ? 'ready' : 'not-ready' };
}

/** Who a container runs as in the first of the pods that tells it. */
function seenUserOf(pods: readonly KubernetesObject[], container: string): Pick<EtcdInstallation['pods'], 'seenUser'> {
  for (const pod of pods) {
    const statuses = podUserSchema.safeParse(pod).data?.status.containerStatuses ?? [];
    const seen = statuses.find(({ name }) => name === container)?.user?.linux;
    if (seen !== undefined) return { seenUser: { uid: seen.uid, gid: seen.gid } };
  }
  return {};
}

/** What the StatefulSet's controller makes for a member (getPersistentVolumeClaims in stateful_set_utils.go). */
function claimFrom(
  { metadata, spec }: ClaimTemplate,
  namespace: string,
  name: string,
  matchLabels: Readonly<Record<string, string>>,
): KubernetesObject & Pick<ClaimTemplate, 'spec'> {
  const { labels, annotations } = metadata;
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { namespace, name, labels: { ...labels, ...matchLabels }, ...(annotations && { annotations }) },
    spec,
  } satisfies Plain<V1PersistentVolumeClaim>;
}

function parseAs<T>(schema: z.ZodType<T>, object: KubernetesObject): T {
  const parsed = schema.safeParse(object);
  if (parsed.success) return parsed.data;
  const { namespace, name } = object.metadata;
  const where = `${object.kind} ${namespace === undefined ? '' : `${namespace}/`}${name}`;
  throw unsupported(where, `is not of the form that Lifeboat knows: ${z.prettifyError(parsed.error)}`);
}

function unsupported(where: string, problem: string): UnsupportedError {
  return new UnsupportedError(`${where} ${problem}`, {
    remedy: 'Compare it with what the platform makes, and look for a newer Lifeboat.',
  });
}
