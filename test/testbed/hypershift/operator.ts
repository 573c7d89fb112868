// The twin's process: `node operator.ts <kubeconfig>`. It reconciles until it is asked to end.
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { KubeApi } from './api.ts';
import { reconcileHostedCluster } from './hosted-cluster-reconciler.ts';
import { FINALIZED, settleDeletions } from './machine-api.ts';
import { controlPlaneNamespace, OPERATOR_NAMESPACE } from './names.ts';
import { reconcileNodePool, sweepNodePoolSecrets } from './node-pool-reconciler.ts';
import { millisecondsToPauseEnd } from './pause.ts';
import {
  AWS_MACHINE_TEMPLATE,
  CONFIG_MAP,
  DEPLOYMENT,
  HOSTED_CLUSTER,
  HOSTED_CONTROL_PLANE,
  NAMESPACE,
  NODE_POOL,
  SECRET,
  SERVICE,
  STATEFUL_SET,
  type KubeObject,
} from './resources.ts';

/** Kinds whose every change starts a pass over the hosted clusters of its namespace; others are caught up with by the regular one. */
const WATCHED = [
  ...[NAMESPACE, HOSTED_CLUSTER, HOSTED_CONTROL_PLANE, NODE_POOL, STATEFUL_SET, DEPLOYMENT],
  ...[SECRET, CONFIG_MAP, SERVICE, AWS_MACHINE_TEMPLATE, ...FINALIZED],
];
const REGULAR_PASS_MS = 10_000;
// What has failed is tried again; also how often a kind is asked for that the server does not know, or not yet.
const AGAIN_MS = 2000;
// A pass answers many changes at once, and the watch reports the pass's own writes.
const SETTLE_MS = 50;

/** The namespaces in which something has changed since they were last taken. One loop waits for them. */
class Changes {
  #namespaces = new Set<string>();
  #wake: (() => void) | undefined;

  note(namespace: string): void {
    this.#namespaces.add(namespace);
    this.wake();
  }

  wake(): void {
    this.#wake?.();
  }

  take(): ReadonlySet<string> {
    const taken = this.#namespaces;
    this.#namespaces = new Set();
    return taken;
  }

  /** Until there are some, the time is over, or the signal aborts with a call of `wake`. */
  async wait(timeoutMs: number, signal: AbortSignal): Promise<void> {
    if (this.#namespaces.size > 0 || signal.aborted) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, timeoutMs);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#wake = undefined;
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function log(what: string, error: unknown): void {
  process.stderr.write(`${new Date().toISOString()} ${what}: ${messageOf(error)}\n`);
}

/** An error of one object must not keep the others waiting; the next pass tries again. */
async function attempt(what: KubeObject, work: () => Promise<void>): Promise<string | undefined> {
  try {
    await work();
    return undefined;
  } catch (error) {
    log(`${what.kind} ${what.metadata.namespace ?? ''}/${what.metadata.name}`, error);
    return messageOf(error);
  }
}

async function ensureOperatorNamespace(api: KubeApi): Promise<void> {
  if ((await api.get(NAMESPACE, undefined, OPERATOR_NAMESPACE)) !== undefined) return;
  await api.create(NAMESPACE, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: OPERATOR_NAMESPACE } });
}

/**
 * Reconciles the hosted clusters of these namespaces, or all. `errors` carries why the last pass over a HostedCluster failed, by its
 * uid. Gives the milliseconds after which all are due: the real operator comes back to what is paused when its pause ends.
 */
async function pass(
  api: KubeApi,
  changes: Changes,
  changed: ReadonlySet<string> | 'all',
  errors: Map<string, string | undefined>,
): Promise<number> {
  const [clusters, pools] = await Promise.all([api.list(HOSTED_CLUSTER), api.list(NODE_POOL)]);
  if (clusters.length > 0) await ensureOperatorNamespace(api);
  const isDue = (namespace: string, clusterName: string): boolean =>
    changed === 'all' || changed.has(namespace) || changed.has(controlPlaneNamespace(namespace, clusterName));
  const again = (namespace: string): void => {
    setTimeout(() => {
      changes.note(namespace);
    }, AGAIN_MS).unref();
  };
  for (const cluster of clusters) {
    const { name, namespace = '', uid = '' } = cluster.metadata;
    if (!isDue(namespace, name)) continue;
    const own = pools.filter(({ spec, metadata }) => spec.clusterName === name && metadata.namespace === namespace);
    const error = await attempt(cluster, async () => {
      await reconcileHostedCluster(api, cluster, own, { now: new Date(), lastError: errors.get(uid) });
    });
    errors.set(uid, error);
    const settled = await attempt(cluster, async () => {
      const controlPlane = controlPlaneNamespace(namespace, name);
      await settleDeletions(api, controlPlane);
      await sweepNodePoolSecrets(api, controlPlane, pools);
    });
    if ((error ?? settled) !== undefined) again(namespace);
  }
  for (const pool of pools) {
    const { namespace = '' } = pool.metadata;
    if (!isDue(namespace, pool.spec.clusterName)) continue;
    const owner = clusters.find(
      ({ metadata }) => metadata.name === pool.spec.clusterName && metadata.namespace === namespace,
    );
    const error = await attempt(pool, async () => {
      await reconcileNodePool(api, pool, owner, new Date());
    });
    if (error !== undefined) again(namespace);
  }
  return Math.min(REGULAR_PASS_MS, millisecondsToPauseEnd([...clusters, ...pools], new Date()));
}

async function run(kubeconfigPath: string): Promise<void> {
  const stop = new AbortController();
  const changes = new Changes();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => {
      stop.abort();
      changes.wake();
    });
  }
  const api = KubeApi.connect(await readFile(kubeconfigPath, 'utf8'));
  const watches = WATCHED.map(async (resource) => {
    while (!stop.signal.aborted) {
      await api.watch(
        resource,
        ({ metadata: { name, namespace = name } }) => {
          changes.note(namespace);
        },
        stop.signal,
      );
      await sleep(AGAIN_MS, undefined, { signal: stop.signal }).catch(() => undefined);
    }
  });
  const errors = new Map<string, string | undefined>();
  let allDueAt = performance.now();
  while (!stop.signal.aborted) {
    const isAllDue = performance.now() >= allDueAt;
    const changed = changes.take();
    try {
      const waitMs = await pass(api, changes, isAllDue ? 'all' : changed, errors);
      allDueAt = Math.min(isAllDue ? Infinity : allDueAt, performance.now() + waitMs);
    } catch (error) {
      log('pass', error);
      allDueAt = performance.now() + AGAIN_MS;
    }
    await sleep(SETTLE_MS);
    await changes.wait(Math.max(0, allDueAt - performance.now()), stop.signal);
  }
  await Promise.all(watches);
  api.close();
}

const [kubeconfigPath] = process.argv.slice(2);
if (kubeconfigPath === undefined) {
  process.stderr.write('usage: operator.ts <kubeconfig>\n');
  process.exitCode = 2;
} else {
  await run(kubeconfigPath);
}
