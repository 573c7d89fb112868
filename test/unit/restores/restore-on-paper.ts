import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as z from 'zod';
import { controlPlaneLock } from '../../../lambdas/domain/operation.ts';
import type { KubernetesObject } from '../../../lambdas/domain/kubernetes-object.ts';
import type { DirectedRestore, RestorePlan } from '../../../lambdas/domain/restore.ts';
import type { ClusterRunPorts } from '../../../lambdas/operations/ports.ts';
import { findRestorePlan } from '../../../lambdas/restores/records.ts';
import { Catalogue } from '../../../lambdas/store/catalogue.ts';
import { DirectoryStore } from '../../../lambdas/store/directory-store.ts';
import { Journal } from '../../../lambdas/store/journal.ts';
import { Locks } from '../../../lambdas/store/locks.ts';
import { installedEtcd } from '../etcd-restore/installed-etcd.ts';
import { plannedRestore, RESTORE } from './planned-restore.ts';

export const { operation: OPERATION, controlPlane: CONTROL_PLANE, point: POINT } = RESTORE;
const NAMESPACE = 'clusters-prod';
const LEASE_MILLISECONDS = 20 * 60_000;

/** A management cluster as far as the steps of a restore look at it: workloads by their replicas, and a pause. */
export interface PaperCluster {
  pausedUntil: string | null;
  /** The mark of a restore on the HostedCluster, by the name of its annotation. */
  annotations: Record<string, string | null>;
  /** Replicas by name; a workload has as many pods. */
  readonly replicas: Record<string, number>;
  /** What was changed, a line each. */
  readonly changes: string[];
  /** Helper pods by name; one that is made has done its work at once. */
  readonly pods: Map<string, KubernetesObject>;
  /** Every pod that was made. */
  readonly made: KubernetesObject[];
  /** Called before everything is read, e.g. to let it fail. */
  before?: (read: string) => void | Promise<void>;
}

/** A restore whose journal is written by a test, and its control plane. */
export interface PaperRestore {
  readonly store: DirectoryStore;
  readonly journal: Journal;
  readonly locks: Locks;
  readonly cluster: PaperCluster;
  readonly ports: ClusterRunPorts;
  readonly planSha256: string;
  /** Records steps: `swap-data` is done, `swap-data-waiting` begun; anything with a document is recorded as that. */
  after(steps: readonly string[], documents?: Readonly<Record<string, unknown>>): Promise<void>;
  item(direction: DirectedRestore['direction']): Promise<DirectedRestore>;
  remove(): Promise<void>;
}

/** A restore of a control plane of one member that was planned at a time, with the lock of the control plane. */
export async function restoreOnPaper(plannedAt: Date): Promise<PaperRestore> {
  const directory = await mkdtemp(join(tmpdir(), 'lifeboat-restore-'));
  const store = new DirectoryStore(directory);
  const journal = new Journal(store, 'restore');
  const locks = new Locks(store);
  await journal.record(OPERATION, 'plan', z.looseObject({}), planAt(plannedAt.toISOString()));
  const planned = await findRestorePlan(OPERATION, { journal });
  if (planned === undefined) throw new Error('the plan was not recorded');
  const planSha256 = planned.sha256;
  await locks.acquire(controlPlaneLock(CONTROL_PLANE), OPERATION, 'restores', LEASE_MILLISECONDS);
  const cluster: PaperCluster = {
    pausedUntil: null,
    annotations: {},
    replicas: { 'kube-apiserver': 0, etcd: 0 },
    changes: [],
    pods: new Map(),
    made: [],
  };
  const ports = {
    store,
    journal,
    locks,
    catalogue: new Catalogue(store),
    configuration: {},
    connect: () =>
      Promise.resolve({ api: paperApi(cluster), openTunnel: () => Promise.reject(new Error('etcd was asked')) }),
    clock: () => new Date(),
    now: () => performance.now(),
    report: () => undefined,
    signal: new AbortController().signal,
  } as unknown as ClusterRunPorts;
  return {
    store,
    journal,
    locks,
    cluster,
    ports,
    planSha256,
    async after(steps, documents = {}) {
      for (const step of steps) await journal.record(OPERATION, `steps/${step}`, z.looseObject({}), timesAt(plannedAt));
      for (const [name, document] of Object.entries(documents)) {
        await journal.record(OPERATION, name, z.unknown(), document);
      }
    },
    async item(direction) {
      const lock = await locks.acquire(controlPlaneLock(CONTROL_PLANE), OPERATION, 'restores', LEASE_MILLISECONDS);
      return { ...RESTORE, planSha256, lock: { token: lock.token }, direction };
    },
    remove: () => rm(directory, { recursive: true }),
  };
}

/** The document of a fence that was begun with the lock's first token. */
export function fenceBegunAt(at: Date, token = 1) {
  return { 'fence-begun': { at: at.toISOString(), token } };
}

/** What the fence has found. */
export function fencedAt(at: Date) {
  return { fenced: { at: at.toISOString(), datastores: { main: { revision: 900, hash: 1, compactRevision: 1 } } } };
}

function timesAt(time: Date) {
  const at = time.toISOString();
  return { startedAt: at, doneAt: at, since: at, lastAt: at, id: null, reason: null };
}

function planAt(plannedAt: string): RestorePlan {
  const plan = plannedRestore();
  const writer = { kind: 'Deployment', namespace: NAMESPACE, name: 'kube-apiserver', replicas: 1 } as const;
  const writers = [{ ...writer, foundReplicas: 1, foundReady: 1 }];
  return { ...plan, plannedAt, target: { ...plan.target, datastores: [installedEtcd(1)], writers } };
}

interface PaperPatch {
  readonly spec?: { readonly pausedUntil: string | null };
  /** With a resourceVersion it is that of a mark. */
  readonly metadata?: {
    readonly resourceVersion?: string;
    readonly annotations?: Readonly<Record<string, string | null>>;
  };
}

const WRITES = ['merge', 'delete', 'scale', 'create'] as const;

function paperApi(cluster: PaperCluster) {
  const api = {
    /** As that of the real one: every write asks first. */
    guardedBy: (mayChange: () => Promise<void>): unknown => {
      const guarded = WRITES.map((name) => {
        const write = api[name] as (...args: readonly unknown[]) => Promise<void>;
        return [
          name,
          async (...args: readonly unknown[]) => {
            await mayChange();
            await write(...args);
          },
        ] as const;
      });
      return { ...api, ...Object.fromEntries(guarded) };
    },
    get: async ({ kind, name }: { kind: string; name: string }) => {
      await cluster.before?.(`get ${kind} ${name}`);
      return kind === 'Pod' ? cluster.pods.get(name) : objectOf(cluster, kind, name);
    },
    list: async (_api: string, kind: string, { labelSelector = '' }: { labelSelector?: string }) => {
      await cluster.before?.(`list ${kind}`);
      if (labelSelector.startsWith('lifeboat.io/operation=')) return [...cluster.pods.values()];
      const app = labelSelector.replace('app=', '');
      const pod = { metadata: { name: `${app}-0`, uid: 'uid' }, status: { phase: 'Running' } };
      return (cluster.replicas[app] ?? 0) > 0 ? [pod] : [];
    },
    version: () => Promise.resolve('v1.35.4'),
    merge: ({ name }: { name: string }, patch: PaperPatch) => {
      const { resourceVersion, annotations = {} } = patch.metadata ?? {};
      if (resourceVersion !== undefined) {
        for (const [key, text] of Object.entries(annotations)) cluster.annotations[key] = text;
        return Promise.resolve();
      }
      cluster.changes.push(`merge ${name} ${JSON.stringify(patch)}`);
      if (patch.spec !== undefined) cluster.pausedUntil = patch.spec.pausedUntil;
      return Promise.resolve();
    },
    delete: ({ name }: { name: string }) => {
      cluster.changes.push(`delete ${name}`);
      cluster.pods.delete(name);
      return Promise.resolve();
    },
    scale: ({ name }: { name: string }, replicas: number) => {
      cluster.changes.push(`scale ${name} to ${replicas}`);
      cluster.replicas[name] = replicas;
      return Promise.resolve();
    },
    create: (pod: KubernetesObject) => {
      const { name } = pod.metadata;
      cluster.changes.push(`create ${name}`);
      const metadata = {
        ...pod.metadata,
        uid: `uid-${cluster.changes.length}`,
        creationTimestamp: new Date().toISOString(),
      };
      cluster.pods.set(name, { ...pod, metadata, status: { phase: 'Succeeded', containerStatuses: [] } });
      cluster.made.push(pod);
      return Promise.resolve();
    },
  };
  return api;
}

function objectOf({ pausedUntil, annotations, replicas }: PaperCluster, kind: string, name: string): unknown {
  switch (kind) {
    case 'HostedControlPlane':
    case 'HostedCluster':
      return {
        metadata: { name, annotations, resourceVersion: '1' },
        spec: pausedUntil === null ? {} : { pausedUntil },
      };
    case 'Deployment':
    case 'StatefulSet':
      return { metadata: { name }, spec: { replicas: replicas[name], selector: { matchLabels: { app: name } } } };
    default:
      return undefined;
  }
}
