import type { EtcdInstallation } from '../../../lambdas/domain/etcd-installation.ts';
import type { HelpedMember } from '../../../lambdas/datastores/etcd/restore/helper-pods.ts';
import type { KubernetesObject } from '../../../lambdas/domain/kubernetes-object.ts';

export const OPERATION = 'restore-20260102t030405z-ab12';

const peerUrl = (pod: string) => `https://${pod}.etcd-discovery.clusters-prod.svc:2380`;

/** An etcd as HyperShift installs it, with as many members as wanted. */
export function installedEtcd(members: number, changes: Partial<EtcdInstallation> = {}): EtcdInstallation {
  const pods = Array.from({ length: members }, (_, index) => `etcd-${index}`);
  return {
    datastore: 'main',
    namespace: 'clusters-prod',
    statefulSet: 'etcd',
    replicas: members,
    clientPort: 2379,
    mountPath: '/var/lib',
    dataDirectory: 'data',
    members: pods.map((pod, index) => ({
      pod,
      peerUrl: peerUrl(pod),
      claim: `data-${pod}`,
      capacityBytes: 8 * 1024 ** 3,
      node: `node-${index}`,
      podState: 'ready' as const,
      lostClaim: null,
    })),
    pods: { image: 'etcd:3.6.5', imagePullPolicy: 'Never' },
    ...changes,
  };
}

/** The member of a number. */
export function memberOf({ members }: EtcdInstallation, index = 0): HelpedMember {
  const member = members[index];
  if (member === undefined) throw new Error(`there is no member ${index}`);
  return member;
}

interface Container {
  readonly name: string;
  readonly image: string;
  readonly command: readonly [string, ...string[]];
  readonly securityContext: Readonly<Record<string, unknown>>;
  readonly [field: string]: unknown;
}

interface PodSpec {
  readonly initContainers?: readonly Container[];
  readonly containers: readonly Container[];
  readonly [field: string]: unknown;
}

export function specOf(pod: KubernetesObject): PodSpec {
  return pod['spec'] as PodSpec;
}

/** Every container of a pod, in the order in which they run. */
export function containersOf(pod: KubernetesObject): Container[] {
  const { initContainers = [], containers } = specOf(pod);
  return [...initContainers, ...containers];
}

/** What a container of a pod runs. */
export function commandOf(pod: KubernetesObject, name: string): readonly [string, ...string[]] {
  const container = containersOf(pod).find((candidate) => candidate.name === name);
  if (container === undefined) throw new Error(`the pod has no container ${name}`);
  return container.command;
}
