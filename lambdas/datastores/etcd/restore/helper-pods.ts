import { createHash } from 'node:crypto';
import type {
  V1Container,
  V1EnvVar,
  V1NodeAffinity,
  V1NodeSelector,
  V1NodeSelectorTerm,
  V1Pod,
  V1PodSpec,
  V1SeccompProfile,
  V1SELinuxOptions,
} from '@kubernetes/client-node';
import * as z from 'zod';
import { UnsupportedError } from '../../../domain/errors.ts';
import { exchangedDirectory, type EtcdInstallation, type EtcdMemberVolume } from '../../../domain/etcd-installation.ts';
import type { KubernetesObject, Plain } from '../../../domain/kubernetes-object.ts';
import { parseVersion } from '../../../domain/version.ts';
import { HELPER_IMAGE } from './helper-image.ts';
import { BACK_SCRIPT, CLEAR_SCRIPT, FETCH_SCRIPT, FINISH_SCRIPT, SWAP_SCRIPT } from './helper-scripts.ts';

/** A member whose volume a helper pod works on. `node` is null while it has no pod that says where its volume is. */
export type HelpedMember = Pick<EtcdMemberVolume, 'pod' | 'peerUrl' | 'claim'> & { readonly node: string | null };

interface HelperPlan {
  readonly operation: string;
  /** With a POSIX shell and the usual commands; default {@link HELPER_IMAGE}. */
  readonly helperImage?: string;
  /** From the pod's start on its node; the time until it is scheduled is not counted. */
  readonly activeDeadlineSeconds?: number;
  /** Uids of pods of the operation that are known to be over: what they have left at work on a volume counts no more. */
  readonly over?: readonly string[];
}

/** What is restored, for every member the same. */
export interface PreparationPlan extends HelperPlan {
  /** Of the snapshot with its 32-byte trailer. */
  readonly sizeBytes: number;
  readonly sha256: string;
  /** Unlike every token before, so that no old member can ever join. */
  readonly clusterToken: string;
  readonly bump: number;
  /** Of the etcd that runs now, e.g. `3.6.5`. */
  readonly etcdVersion: string;
  /** What the pod takes from its standard input: the file itself, or a line with a URL of it. */
  readonly input: 'file' | 'url';
}

export interface SwapPlan extends HelperPlan {
  /** `swap` and `back` move nothing later than this, however late a node takes the pod; undefined: whenever they begin. */
  readonly notAfter?: Date;
  /** Forward to the restored data, back to those before, or remove all that the operation keeps on the volume. */
  readonly action: 'swap' | 'back' | 'clear';
  /** For `clear`: whether a verified recovery point holds what lay there before. Without it that stays and the pod refuses. */
  readonly isCopied?: boolean;
}

/** The container of a preparation that takes the snapshot, or its URL, from its standard input. */
export const FETCH_CONTAINER = 'fetch';
/** The container of a preparation in which etcd's own program restores. */
export const RESTORE_CONTAINER = 'restore';

/** Of an annotation: a hash of what a pod was made as, without what it is told of other pods. */
export const MADE_AS = 'lifeboat.io/made-as';
/** Of a label: `prepare`, or the action of a swap pod. */
export const STEP_LABEL = 'lifeboat.io/step';

const PREPARATION_SECONDS = 3600;
const SWAP_SECONDS = 600;
const LONGEST_POD_NAME = 63;
const VOLUME = 'data';
const SCRIPTS = { swap: SWAP_SCRIPT, back: BACK_SCRIPT, clear: CLEAR_SCRIPT } as const;

// etcd makes its write-ahead log in files of 64 MiB and has the next one ready; the rest is for the live etcd, which goes on.
const ROOM_BESIDE_BYTES = 256 * 1024 * 1024;

// Small requests let the live etcd beside it go first. What etcdutl needs grows with the file's pages: 8 GiB are two million.
const RESOURCES = { requests: { cpu: '50m', memory: '64Mi' }, limits: { memory: '512Mi' } } as const;

/** Who a container runs as: it must be who etcd runs as, or the files would not be etcd's. */
const identitySchema = z
  .object({
    runAsUser: z.int().exactOptional(),
    runAsGroup: z.int().exactOptional(),
    runAsNonRoot: z.boolean().exactOptional(),
    seLinuxOptions: z.custom<Plain<V1SELinuxOptions>>().exactOptional(),
    seccompProfile: z.custom<Plain<V1SeccompProfile>>().exactOptional(),
  })
  .optional();

/** What a preparation must find free on a volume: the snapshot, what is made of it, and a reserve. */
export function preparationRoomBytes(sizeBytes: number): number {
  return 2 * sizeBytes + ROOM_BESIDE_BYTES;
}

/**
 * A pod that restores a snapshot beside the live data of a member: `fetch` takes the file or its URL from its standard
 * input, etcd's own program restores it, and the pod ends. UnsupportedError for an etcd whose program can't raise revisions.
 */
export function preparationPod(
  installation: EtcdInstallation,
  member: HelpedMember,
  plan: PreparationPlan,
): KubernetesObject {
  const own = ownDirectory(installation, plan.operation);
  const roomKiB = Math.ceil(preparationRoomBytes(plan.sizeBytes) / 1024);
  const fetch = scriptContainer(installation, plan, FETCH_CONTAINER, FETCH_SCRIPT, [
    String(plan.sizeBytes),
    plan.sha256,
    String(roomKiB),
    plan.input,
  ]);
  const restore = {
    name: RESTORE_CONTAINER,
    image: installation.pods.image,
    ...(installation.pods.imagePullPolicy === undefined ? {} : { imagePullPolicy: installation.pods.imagePullPolicy }),
    command: [
      restoreProgram(plan.etcdVersion),
      'snapshot',
      'restore',
      `${own}/snapshot.db`,
      `--data-dir=${own}/restored`,
      `--name=${member.pod}`,
      `--initial-cluster=${installation.members.map(({ pod, peerUrl }) => `${pod}=${peerUrl}`).join(',')}`,
      `--initial-cluster-token=${plan.clusterToken}`,
      `--initial-advertise-peer-urls=${member.peerUrl}`,
      `--bump-revision=${plan.bump}`,
      '--mark-compacted',
    ],
    ...sharedByContainers(installation, identityOf(installation)),
  };
  // While etcd runs, its volume is attached to its node and, if ReadWriteOnce, to no other.
  const affinity = member.node === null ? {} : { requiredDuringSchedulingIgnoredDuringExecution: onlyOn(member.node) };
  return helperPod(installation, member, plan, {
    step: 'prepare',
    activeDeadlineSeconds: plan.activeDeadlineSeconds ?? PREPARATION_SECONDS,
    affinity,
    containers: {
      initContainers: [{ ...fetch, stdin: true, stdinOnce: true }, restore],
      containers: [scriptContainer(installation, plan, 'finish', FINISH_SCRIPT)],
    },
  });
}

/** A pod that exchanges the directories of a member whose etcd is stopped, puts them back, or removes what is left over. */
export function swapPod(installation: EtcdInstallation, member: HelpedMember, plan: SwapPlan): KubernetesObject {
  // The volume may still be attached there; but with etcd stopped it can follow the pod, should the node be gone.
  const affinity =
    member.node === null
      ? {}
      : {
          preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 100, preference: nodeNamed(member.node) }],
        };
  const args = plan.action === 'clear' ? [plan.isCopied === true ? 'copied' : 'only-copy'] : [];
  return helperPod(installation, member, plan, {
    step: plan.action,
    activeDeadlineSeconds: plan.activeDeadlineSeconds ?? SWAP_SECONDS,
    affinity,
    containers: { containers: [scriptContainer(installation, plan, plan.action, SCRIPTS[plan.action], args)] },
  });
}

interface PodParts {
  readonly step: 'prepare' | SwapPlan['action'];
  readonly activeDeadlineSeconds: number;
  readonly affinity: Plain<V1NodeAffinity>;
  readonly containers: Pick<Plain<V1PodSpec>, 'initContainers' | 'containers'>;
}

function helperPod(
  { namespace, pods, datastore }: EtcdInstallation,
  { pod, claim, node }: HelpedMember,
  { operation }: HelperPlan,
  { step, activeDeadlineSeconds, affinity, containers }: PodParts,
): KubernetesObject {
  const labels = {
    'app.kubernetes.io/managed-by': 'lifeboat',
    'lifeboat.io/operation': operation,
    'lifeboat.io/datastore': datastore,
  };
  // A volume that is made for this pod must be where the member's own pod may be as well.
  const apart = node === null ? pods.spreadOver : undefined;
  const terms = (apart ?? []).map((topologyKey) => ({ topologyKey, labelSelector: { matchLabels: labels } }));
  const spec = {
    restartPolicy: 'Never',
    activeDeadlineSeconds,
    // With 0 the API server forgets a deleted pod at once, while its containers may still write.
    terminationGracePeriodSeconds: 1,
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    // By the scheduler, which looks at taints, room and where the volume can be; `nodeName` would pass it by.
    affinity: {
      nodeAffinity: affinity,
      ...(terms.length === 0 ? {} : { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: terms } }),
    },
    ...(pods.nodeSelector === undefined ? {} : { nodeSelector: pods.nodeSelector }),
    securityContext: { seccompProfile: { type: 'RuntimeDefault' }, ...(pods.securityContext ?? {}) },
    ...(pods.tolerations === undefined ? {} : { tolerations: pods.tolerations }),
    ...(pods.imagePullSecrets === undefined ? {} : { imagePullSecrets: pods.imagePullSecrets }),
    ...(pods.priorityClassName === undefined ? {} : { priorityClassName: pods.priorityClassName }),
    volumes: [{ name: VOLUME, persistentVolumeClaim: { claimName: claim } }],
    ...containers,
  };
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      namespace,
      name: helperPodName(operation, step, pod),
      labels: { ...labels, [STEP_LABEL]: step },
      annotations: {
        [MADE_AS]: hashOf(JSON.stringify(spec, (key, value: unknown) => (key === 'env' ? undefined : value))),
      },
    },
    spec,
  } satisfies Plain<V1Pod>;
}

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}

function scriptContainer(
  installation: EtcdInstallation,
  { operation, helperImage = HELPER_IMAGE, over = [], notAfter }: HelperPlan & Pick<SwapPlan, 'notAfter'>,
  name: string,
  script: string,
  args: readonly string[] = [],
): Plain<V1Container> {
  const own = ownDirectory(installation, operation);
  const { path, inner } = exchangedDirectory(installation);
  return {
    name,
    image: helperImage,
    imagePullPolicy: 'IfNotPresent',
    command: ['sh', '-euc', script, name, own, path, inner, ...args],
    env: [
      ownField('POD_NAME', 'metadata.name'),
      ownField('POD_UID', 'metadata.uid'),
      // The API server drops an empty value.
      { name: 'PODS_OVER', ...(over.length > 0 && { value: over.join(' ') }) },
      // In seconds, for `date`. Not an argument: a pod that is there already is not made again for a later time.
      ...(notAfter === undefined ? [] : [{ name: 'NOT_AFTER', value: String(Math.floor(notAfter.getTime() / 1000)) }]),
    ],
    ...sharedByContainers(installation, helperIdentity(installation)),
  };
}

/** A field of the pod itself as a variable. */
function ownField(name: string, fieldPath: string): Plain<V1EnvVar> {
  return { name, valueFrom: { fieldRef: { fieldPath } } };
}

function sharedByContainers({ mountPath }: EtcdInstallation, identity: z.infer<typeof identitySchema>) {
  return {
    resources: RESOURCES,
    volumeMounts: [{ name: VOLUME, mountPath }],
    terminationMessagePolicy: 'FallbackToLogsOnError',
    securityContext: {
      ...identity,
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    },
  };
}

/** As etcd's own container; its other rights, e.g. a privileged one's, are not needed. */
function identityOf({ pods }: EtcdInstallation): z.infer<typeof identitySchema> {
  return identitySchema.parse(pods.containerSecurityContext);
}

/**
 * The helper image has a user of its own, so that of etcd is said. Where its pods name none, it is who kubelet has seen etcd run
 * as; where that is not told either, root, as images of etcd that name no user run as.
 */
function helperIdentity(installation: EtcdInstallation): z.infer<typeof identitySchema> {
  const ofPod = identitySchema.parse(installation.pods.securityContext);
  const ofContainer = identityOf(installation);
  if ((ofContainer?.runAsUser ?? ofPod?.runAsUser) !== undefined) return ofContainer;
  const { seenUser } = installation.pods;
  if (seenUser !== undefined) return { ...ofContainer, runAsUser: seenUser.uid, runAsGroup: seenUser.gid };
  const mayBeRoot = (ofContainer?.runAsNonRoot ?? ofPod?.runAsNonRoot) !== true;
  return mayBeRoot ? { ...ofContainer, runAsUser: 0 } : ofContainer;
}

/** The uid that scripts of helper pods run as; undefined: that of the helper image, which may not be root then. */
export function helperUser(installation: EtcdInstallation): number | undefined {
  return (
    (helperIdentity(installation) ?? {}).runAsUser ?? identitySchema.parse(installation.pods.securityContext)?.runAsUser
  );
}

/**
 * etcdutl has `snapshot restore` alone since 3.6; before, images may hold etcdctl only. Both raise revisions as of some release:
 * UnsupportedError before it, and for a version that can't be read.
 */
export function restoreProgram(version: string): 'etcdutl' | 'etcdctl' {
  const parsed = parseVersion(version);
  if (parsed === undefined) {
    throw new UnsupportedError(`etcd calls its version "${version}": which of its programs restores can't be told`, {
      remedy: 'Use an image of etcd whose version has the form 3.6.5.',
    });
  }
  const { major, minor, patch } = parsed;
  if (major > 3 || (major === 3 && minor >= 6)) return 'etcdutl';
  if (major === 3 && ((minor === 5 && patch >= 10) || (minor === 4 && patch >= 27))) return 'etcdctl';
  throw new UnsupportedError(`etcd ${version} can't raise revisions in a restore`, {
    remedy: 'Update etcd to 3.4.27, 3.5.10 or a later release, then restore.',
  });
}

function ownDirectory({ mountPath }: EtcdInstallation, operation: string): string {
  return `${mountPath}/lifeboat-${operation}`;
}

/** Names that are too long end in a hash of themselves, so that they stay different. */
export function helperPodName(operation: string, step: PodParts['step'], pod: string): string {
  const name = `lifeboat-${operation}-${step}-${pod}`;
  if (name.length <= LONGEST_POD_NAME) return name;
  const hash = createHash('sha256').update(name).digest('hex').slice(0, 8);
  return `${name.slice(0, LONGEST_POD_NAME - hash.length - 1)}-${hash}`;
}

function onlyOn(node: string): Plain<V1NodeSelector> {
  return { nodeSelectorTerms: [nodeNamed(node)] };
}

/** By the name itself: the label kubernetes.io/hostname may differ from it. */
function nodeNamed(node: string): Plain<V1NodeSelectorTerm> {
  return { matchFields: [{ key: 'metadata.name', operator: 'In', values: [node] }] };
}
