import { posix } from 'node:path';
import * as z from 'zod';
import { NotFoundError, RestoreRefusedError, UnsupportedError } from '../../domain/errors.ts';
import type { EtcdInstallation, EtcdMemberVolume } from '../../domain/etcd-installation.ts';
import type { KubernetesObject } from '../../domain/kubernetes-object.ts';
import type { KubeApi } from '../../kube/kube-api.ts';
import { parseStorageQuantity } from '../storage-quantity.ts';
import { CLIENT_PORT, type DeclaredEtcd } from './etcd.ts';

const PEER_PORT = 2380;
/** The scheduler's choice for a claim whose volume is made for the first pod that uses it. */
const SELECTED_NODE = 'volume.kubernetes.io/selected-node';
const HOST_NAME_LABEL = 'kubernetes.io/hostname';

const containerSchema = z.object({
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

const statefulSetSchema = z.object({
  spec: z.object({
    replicas: z.int().default(1),
    serviceName: z.string(),
    template: z.object({
      spec: z.object({
        containers: z.array(containerSchema),
        imagePullSecrets: z.array(z.unknown()).optional(),
        securityContext: z.unknown().optional(),
        tolerations: z.array(z.unknown()).optional(),
        priorityClassName: z.string().optional(),
      }),
    }),
    volumeClaimTemplates: z.array(z.object({ metadata: z.object({ name: z.string() }) })).default([]),
  }),
});
type StatefulSet = z.infer<typeof statefulSetSchema>;

const claimSchema = z.object({
  spec: z.object({
    volumeName: z.string().optional(),
    resources: z.object({ requests: z.object({ storage: z.string() }) }),
  }),
  status: z.object({ capacity: z.object({ storage: z.string() }).optional() }).optional(),
});

const volumeSchema = z.object({
  spec: z.object({
    nodeAffinity: z
      .object({
        required: z
          .object({
            nodeSelectorTerms: z.array(
              z.object({
                matchExpressions: z
                  .array(z.object({ key: z.string(), operator: z.string(), values: z.array(z.string()).default([]) }))
                  .default([]),
              }),
            ),
          })
          .optional(),
      })
      .optional(),
  }),
});

/** An etcd as it is installed, and what a person should know of it. No installation: its data is on no volume. */
export interface DescribedInstallation {
  readonly installation: EtcdInstallation | undefined;
  readonly warnings: readonly string[];
}

/**
 * Reads how an etcd is installed from its StatefulSet, claims and `pods`, those of its namespace; it may stand at zero.
 * NotFoundError without the StatefulSet, RestoreRefusedError when a member's volume is not to be had, UnsupportedError for
 * a StatefulSet of another form.
 */
export async function describeInstallation(
  api: KubeApi,
  namespace: string,
  etcd: DeclaredEtcd,
  pods: readonly KubernetesObject[],
): Promise<DescribedInstallation> {
  const { datastore, statefulSet } = etcd;
  const { spec } = await readStatefulSet(api, namespace, statefulSet);
  const data = findData(spec.template.spec.containers, `StatefulSet ${namespace}/${statefulSet}`);
  const claimTemplate = spec.volumeClaimTemplates.find(({ metadata }) => metadata.name === data.volume)?.metadata.name;
  if (claimTemplate === undefined) {
    const lost = `The data of etcd ${datastore} (StatefulSet ${statefulSet}) is on no volume: it is left as it is.`;
    return { installation: undefined, warnings: [lost] };
  }
  const members = Array.from({ length: etcd.members }, async (_, index) => {
    const pod = `${statefulSet}-${index}`;
    const place = { pod, namespace, claim: `${claimTemplate}-${pod}` };
    const peerUrl = `https://${pod}.${spec.serviceName}.${namespace}.svc:${PEER_PORT}`;
    return await describeMember(api, { ...place, peerUrl }, pods);
  });
  const { imagePullSecrets, securityContext, tolerations, priorityClassName } = spec.template.spec;
  const { image, imagePullPolicy, securityContext: containerSecurityContext } = data.container;
  const installation = {
    datastore,
    namespace,
    statefulSet,
    clientPort: CLIENT_PORT,
    mountPath: data.mountPath,
    dataDirectory: data.directory,
    members: await Promise.all(members),
    pods: {
      image,
      imagePullPolicy,
      imagePullSecrets,
      securityContext,
      containerSecurityContext,
      tolerations,
      priorityClassName,
    },
  };
  const differs = spec.replicas !== 0 && spec.replicas !== etcd.members;
  const scaled = `StatefulSet ${statefulSet} has ${spec.replicas} replicas, but etcd ${datastore} is declared with ${etcd.members} members.`;
  return { installation, warnings: differs ? [scaled] : [] };
}

async function readStatefulSet(api: KubeApi, namespace: string, name: string): Promise<StatefulSet> {
  const object = await api.get({ apiVersion: 'apps/v1', kind: 'StatefulSet', namespace, name });
  if (object === undefined) {
    throw new NotFoundError(`there is no StatefulSet ${name} in namespace ${namespace}`, {
      remedy: 'Take a pause away, if there is one: the operator makes it again, on the volumes that are there.',
    });
  }
  return parseAs(statefulSetSchema, object);
}

interface DataPlace {
  readonly container: Container;
  readonly volume: string;
  readonly mountPath: string;
  /** Below the mount path. */
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
    if (directory === '' || mount.subPath !== undefined || mount.subPathExpr !== undefined) {
      throw unsupported(where, `has no room beside etcd's data: ${path} is not below the root of volume ${volume}`);
    }
    return { container, volume, mountPath, directory };
  }
  throw unsupported(where, "does not say where etcd's data is (--data-dir or ETCD_DATA_DIR)");
}

/** HyperShift has set the flag, also inside a shell's script, and later the variable (assets/etcd/statefulset.yaml). */
function dataDirectoryOf({ command, args, env }: Container): string | undefined {
  const [, flag] = /--data-dir[= ]+["']?([^\s"'\\]+)/.exec([...command, ...args].join(' ')) ?? [];
  return flag ?? env.find(({ name }) => name === 'ETCD_DATA_DIR')?.value;
}

interface MemberPlace extends Pick<EtcdMemberVolume, 'pod' | 'peerUrl' | 'claim'> {
  readonly namespace: string;
}

async function describeMember(
  api: KubeApi,
  { namespace, pod, peerUrl, claim }: MemberPlace,
  pods: readonly KubernetesObject[],
): Promise<EtcdMemberVolume> {
  const object = await api.get({ apiVersion: 'v1', kind: 'PersistentVolumeClaim', namespace, name: claim });
  if (object === undefined) {
    throw new RestoreRefusedError(`${pod} has no volume: there is no PersistentVolumeClaim ${claim} in ${namespace}`, {
      remedy: `Start ${pod} once, e.g. by taking a pause away: its StatefulSet makes the claim. Then restore.`,
    });
  }
  if (object.metadata.deletionTimestamp !== undefined) {
    throw new RestoreRefusedError(`PersistentVolumeClaim ${claim} in ${namespace} is being deleted`, {
      remedy: `It goes as soon as ${pod} ends, and the data with it: take a backup, and let the volume be made anew first.`,
    });
  }
  const { spec, status } = parseAs(claimSchema, object);
  const capacity = status?.capacity?.storage ?? spec.resources.requests.storage;
  const scheduled = pods.find(({ metadata }) => metadata.name === pod)?.['spec'] as { nodeName?: string } | undefined;
  const node =
    scheduled?.nodeName ?? (await nodeOfVolume(api, spec.volumeName)) ?? object.metadata.annotations?.[SELECTED_NODE];
  if (node === undefined) {
    throw new RestoreRefusedError(`no node is known for PersistentVolumeClaim ${claim} in ${namespace}`, {
      remedy: `Start ${pod} once, so that it is scheduled, then restore.`,
    });
  }
  return { pod, peerUrl, claim, capacityBytes: parseStorageQuantity(capacity), node };
}

/** The node that a local volume is bound to; undefined for one that may be attached elsewhere. */
async function nodeOfVolume(api: KubeApi, name: string | undefined): Promise<string | undefined> {
  if (name === undefined || name === '') return undefined;
  const object = await api.get({ apiVersion: 'v1', kind: 'PersistentVolume', name });
  if (object === undefined) return undefined;
  const { nodeAffinity } = parseAs(volumeSchema, object).spec;
  const nodes = (nodeAffinity?.required?.nodeSelectorTerms ?? [])
    .flatMap(({ matchExpressions }) => matchExpressions)
    .filter(({ key, operator }) => key === HOST_NAME_LABEL && operator === 'In')
    .flatMap(({ values }) => values);
  return nodes.length === 1 ? nodes[0] : undefined;
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
    remedy: 'Compare it with what HyperShift makes, and look for a newer Lifeboat.',
  });
}
