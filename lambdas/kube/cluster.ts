import type { Duplex } from 'node:stream';
import { credentialsEndAt } from './cluster-access.ts';
import { KubeApi } from './kube-api.ts';
import type { ClusterAccesses } from './management-cluster-access.ts';
import { openPodAttach, type AttachOptions, type AttachTarget, type PodAttach } from './pod-attach.ts';
import { openPodTunnel, type PodTarget, type TunnelOptions } from './pod-tunnel.ts';
import { readRenewableAccess, withRenewal } from './renewable-access.ts';

/** One management cluster: its API, and ways to its pods. */
export interface Cluster {
  readonly name: string;
  readonly api: KubeApi;
  /** Where its account may look for control planes; everywhere when undefined. */
  readonly namespaces?: readonly string[] | undefined;
  /** null when the credentials do not say. */
  readonly credentialsEndAt: Date | null;
  openTunnel(target: PodTarget, options?: TunnelOptions): Promise<Duplex>;
  /** The standard input of a running container. */
  attach(target: AttachTarget, options?: AttachOptions): Promise<PodAttach>;
  /** Closes the API's connections; tunnels and attachments end with whoever opened them. */
  close(): void;
}

/**
 * Reads and checks the access to a management cluster; no connection is made before the first call. When the API server
 * refuses the credentials (401), the kubeconfig is read again once, as they may have been rotated.
 */
export async function connectCluster(accesses: ClusterAccesses, name: string): Promise<Cluster> {
  const access = await readRenewableAccess(accesses, name);
  const api = new KubeApi(access.current, { renewAccess: (refused) => access.renew(refused) });
  return {
    name,
    api,
    namespaces: accesses.namespacesOf?.(name),
    get credentialsEndAt() {
      return credentialsEndAt(access.current);
    },
    openTunnel: (target, options) => withRenewal(access, (current) => openPodTunnel(current, target, options)),
    attach: (target, options) => withRenewal(access, (current) => openPodAttach(current, target, options)),
    close: () => {
      api.close();
    },
  };
}
