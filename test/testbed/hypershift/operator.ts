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
  DEPLOYMENT,
  HOSTED_CLUSTER,
  HOSTED_CONTROL_PLANE,
  NAMESPACE,
  NODE_POOL,
  STATEFUL_SET,
  type KubeObject,
} from './resources.ts';

/** Kinds whose every change starts a pass; others are caught up with by the regular one. */
const WATCHED = [NAMESPACE, HOSTED_CLUSTER, HOSTED_CONTROL_PLANE, NODE_POOL, STATEFUL_SET, DEPLOYMENT, ...FINALIZED];
const REGULAR_PASS_MS = 2000;
// Also how often a kind is asked for that the server does not know, or not yet.
const REOPEN_WATCH_MS = 2000;
// A pass answers many changes at once, and the watch reports the pass's own writes.
const SETTLE_MS = 50;

/** A bell that one loop waits for: rung while nobody waits, it lets the next wait through at once. */
class Bell {
  #rung = false;
  #wake: (() => void) | undefined;

  ring(): void {
    this.#rung = true;
    this.#wake?.();
  }

  async wait(timeoutMs: number): Promise<void> {
    if (!this.#rung) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, timeoutMs);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    this.#wake = undefined;
    this.#rung = false;
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
 * `errors` carries why the last pass over a HostedCluster failed, by its uid. Gives the milliseconds after which another
 * pass is due: the real operator comes back to what is paused when its pause ends.
 */
async function pass(api: KubeApi, errors: Map<string, string | undefined>): Promise<number> {
  const [clusters, pools] = await Promise.all([api.list(HOSTED_CLUSTER), api.list(NODE_POOL)]);
  if (clusters.length > 0) await ensureOperatorNamespace(api);
  for (const cluster of clusters) {
    const { name, namespace, uid = '' } = cluster.metadata;
    const own = pools.filter(({ spec, metadata }) => spec.clusterName === name && metadata.namespace === namespace);
    const error = await attempt(cluster, async () => {
      await reconcileHostedCluster(api, cluster, own, { now: new Date(), lastError: errors.get(uid) });
    });
    errors.set(uid, error);
    await attempt(cluster, async () => {
      const controlPlane = controlPlaneNamespace(namespace ?? '', name);
      await settleDeletions(api, controlPlane);
      await sweepNodePoolSecrets(api, controlPlane, pools);
    });
  }
  for (const pool of pools) {
    const owner = clusters.find(
      ({ metadata }) => metadata.name === pool.spec.clusterName && metadata.namespace === pool.metadata.namespace,
    );
    await attempt(pool, async () => {
      await reconcileNodePool(api, pool, owner, new Date());
    });
  }
  return Math.min(REGULAR_PASS_MS, millisecondsToPauseEnd([...clusters, ...pools], new Date()));
}

async function run(kubeconfigPath: string): Promise<void> {
  const stop = new AbortController();
  const bell = new Bell();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => {
      stop.abort();
      bell.ring();
    });
  }
  const api = KubeApi.connect(await readFile(kubeconfigPath, 'utf8'));
  const watches = WATCHED.map(async (resource) => {
    while (!stop.signal.aborted) {
      await api.watch(
        resource,
        () => {
          bell.ring();
        },
        stop.signal,
      );
      await sleep(REOPEN_WATCH_MS, undefined, { signal: stop.signal }).catch(() => undefined);
    }
  });
  const errors = new Map<string, string | undefined>();
  while (!stop.signal.aborted) {
    let waitMs = REGULAR_PASS_MS;
    try {
      waitMs = await pass(api, errors);
    } catch (error) {
      log('pass', error);
    }
    await sleep(SETTLE_MS);
    await bell.wait(waitMs);
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
