import { createHash, randomBytes } from 'node:crypto';
import type { KubeApi } from './api.ts';
import { recordInstance } from './cloud.ts';
import { transition } from './conditions.ts';
import { converge, covers } from './converge.ts';
import {
  held,
  isClusterPaused,
  isMachineApiServed,
  isObjectPaused,
  MACHINE_API_FINALIZERS,
  objectReference,
  ownedBy,
  PAUSED_ANNOTATION,
} from './machine-api.ts';
import { controlPlaneNamespace, FINALIZER, NODE_POOL_ANNOTATION } from './names.ts';
import { isPaused } from './pause.ts';
import { parseRelease } from './release.ts';
import {
  AWS_MACHINE,
  AWS_MACHINE_TEMPLATE,
  CLUSTER,
  CONFIG_MAP,
  HOSTED_CONTROL_PLANE,
  MACHINE,
  MACHINE_DEPLOYMENT,
  MACHINE_SET,
  NODE_POOL,
  SECRET,
  type ControlPlaneObject,
  type KubeObject,
  type MachineApiObject,
  type Metadata,
  type NodePoolObject,
  type Resource,
} from './resources.ts';

const NODE_POOL_LABEL = 'hypershift.openshift.io/nodePoolName';

/** What a pool's machines are made from; a new hash means new machines, as in a real rollout. */
interface Generation {
  readonly configHash: string;
  readonly templateName: string;
  readonly machineSetName: string;
  readonly userData: string;
}

function shortHash(...parts: unknown[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 8);
}

async function readGeneration(api: KubeApi, pool: NodePoolObject): Promise<Generation> {
  const { name, namespace } = pool.metadata;
  const configs = [];
  for (const { name: config } of pool.spec.config ?? []) {
    const configMap = await api.get(CONFIG_MAP, namespace, config);
    if (configMap === undefined)
      throw new Error(`NodePool ${name} names the ConfigMap ${config}, which does not exist`);
    configs.push(configMap.data);
  }
  const configHash = shortHash(configs, pool.spec.release.image);
  return {
    configHash,
    templateName: `${name}-${shortHash(pool.spec.platform)}`,
    machineSetName: `${name}-${configHash}`,
    userData: `user-data-${name}-${configHash}`,
  };
}

function poolMetadata(pool: NodePoolObject, namespace: string, name: string): Metadata {
  return {
    name,
    namespace,
    labels: { [NODE_POOL_LABEL]: pool.metadata.name },
    annotations: { [NODE_POOL_ANNOTATION]: `${pool.metadata.namespace ?? ''}/${pool.metadata.name}` },
  };
}

/** One pool in its control plane's namespace. */
class PoolReconciler {
  readonly #api: KubeApi;
  readonly #pool: NodePoolObject;
  readonly #namespace: string;

  constructor(api: KubeApi, pool: NodePoolObject, namespace: string) {
    this.#api = api;
    this.#pool = pool;
    this.#namespace = namespace;
  }

  async objects(resource: Resource<MachineApiObject>): Promise<MachineApiObject[]> {
    return this.#api.list(resource, this.#namespace, `${NODE_POOL_LABEL}=${this.#pool.metadata.name}`);
  }

  /** Pausing a pool does no more than this: Cluster API then leaves its machines alone. */
  async annotatePause(paused: boolean): Promise<void> {
    for (const resource of [MACHINE_DEPLOYMENT, MACHINE_SET]) {
      for (const object of await this.objects(resource)) {
        if (isObjectPaused(object) === paused) continue;
        const annotations = { [PAUSED_ANNOTATION]: paused ? 'true' : null };
        await this.#api.patch(resource, object, { metadata: { annotations } });
      }
    }
  }

  /** True once no machine of the pool is left. */
  async remove(): Promise<boolean> {
    const deployments = await this.objects(MACHINE_DEPLOYMENT);
    for (const { metadata } of deployments) await this.#api.delete(MACHINE_DEPLOYMENT, this.#namespace, metadata.name);
    if (deployments.length > 0) return false;
    for (const { metadata } of await this.objects(AWS_MACHINE_TEMPLATE)) {
      await this.#api.delete(AWS_MACHINE_TEMPLATE, this.#namespace, metadata.name);
    }
    return true;
  }

  async reconcileSecrets(generation: Generation): Promise<void> {
    const secrets = new Map(
      (await this.#api.list(SECRET, this.#namespace)).map((secret) => [secret.metadata.name, secret]),
    );
    const contents = {
      [`token-${this.#pool.metadata.name}-${generation.configHash}`]: 'token',
      [generation.userData]: 'value',
    };
    for (const [name, key] of Object.entries(contents)) {
      if (secrets.has(name)) continue;
      const data = { [key]: randomBytes(48).toString('base64') };
      await this.#api.create(SECRET, { apiVersion: 'v1', kind: 'Secret', metadata: this.#metadata(name), data });
    }
  }

  async reconcileMachines(cluster: MachineApiObject, generation: Generation): Promise<void> {
    const { name } = this.#pool.metadata;
    const replicas = this.#pool.spec.replicas ?? 0;
    const clusterName = cluster.metadata.name;
    const template = {
      spec: {
        clusterName,
        bootstrap: { dataSecretName: generation.userData },
        infrastructureRef: objectReference(AWS_MACHINE_TEMPLATE, generation.templateName),
      },
    };
    await this.#converge(AWS_MACHINE_TEMPLATE, ownedBy(cluster, this.#metadata(generation.templateName)), {
      template: { spec: this.#pool.spec.platform.aws ?? {} },
    });
    const spec = { clusterName, replicas, template };
    const deployment = await this.#converge(
      MACHINE_DEPLOYMENT,
      { ...ownedBy(cluster, this.#metadata(name)), finalizers: [MACHINE_API_FINALIZERS.MachineDeployment] },
      spec,
    );
    const set = await this.#converge(
      MACHINE_SET,
      {
        ...ownedBy(deployment, this.#metadata(generation.machineSetName)),
        finalizers: [MACHINE_API_FINALIZERS.MachineSet],
      },
      spec,
    );
    if (await isClusterPaused(this.#api, this.#namespace)) return;
    const machines = (await this.objects(MACHINE)).filter(({ metadata }) => metadata.deletionTimestamp === undefined);
    for (const { metadata } of machines.slice(replicas))
      await this.#api.delete(MACHINE, this.#namespace, metadata.name);
    for (let count = machines.length; count < replicas; count += 1) await this.#createMachine(set, template.spec);
  }

  async #createMachine(set: MachineApiObject, templateSpec: Record<string, unknown>): Promise<void> {
    const name = `${set.metadata.name}-${randomBytes(3).toString('hex').slice(0, 5)}`;
    const instanceID = `i-${randomBytes(9).toString('hex').slice(0, 17)}`;
    const providerID = `aws:///us-east-1a/${instanceID}`;
    await recordInstance(this.#api, instanceID, 'running');
    const machine = await this.#api.create(MACHINE, {
      apiVersion: MACHINE.apiVersion,
      kind: MACHINE.kind,
      metadata: { ...ownedBy(set, this.#metadata(name)), finalizers: [MACHINE_API_FINALIZERS.Machine] },
      spec: { ...templateSpec, providerID, infrastructureRef: objectReference(AWS_MACHINE, name) },
    });
    await this.#api.create(AWS_MACHINE, {
      apiVersion: AWS_MACHINE.apiVersion,
      kind: AWS_MACHINE.kind,
      metadata: { ...ownedBy(machine, this.#metadata(name)), finalizers: [MACHINE_API_FINALIZERS.AWSMachine] },
      spec: { ...this.#pool.spec.platform.aws, providerID, instanceID },
    });
  }

  async #converge(
    resource: Resource<MachineApiObject>,
    metadata: Metadata,
    spec: Record<string, unknown>,
  ): Promise<MachineApiObject> {
    const { apiVersion, kind } = resource;
    return converge(this.#api, resource, await held(this.#api, resource, this.#namespace), {
      apiVersion,
      kind,
      metadata,
      spec,
    });
  }

  #metadata(name: string): Metadata {
    return poolMetadata(this.#pool, this.#namespace, name);
  }
}

async function writeStatus(api: KubeApi, pool: NodePoolObject, replicas: number, now: Date): Promise<void> {
  const ready = replicas === (pool.spec.replicas ?? 0);
  const plan = {
    type: 'Ready',
    status: ready ? 'True' : 'False',
    reason: ready ? 'AsExpected' : 'WaitingForMachines',
  } as const;
  const conditions = transition(pool.status?.conditions, [plan], now, pool.metadata.generation ?? 0);
  const status = { replicas, version: parseRelease(pool.spec.release.image).version, conditions };
  if (!covers(pool.status, status))
    await api.replaceStatus(NODE_POOL, { ...pool, status: { ...pool.status, ...status } });
}

/** One level-triggered pass over a NodePool; `hostedCluster` is undefined when the pool names one that does not exist. */
export async function reconcileNodePool(
  api: KubeApi,
  pool: NodePoolObject,
  hostedCluster: ControlPlaneObject | undefined,
  now: Date,
): Promise<void> {
  const namespace = controlPlaneNamespace(pool.metadata.namespace ?? '', pool.spec.clusterName);
  const reconciler = new PoolReconciler(api, pool, namespace);
  const finalizers = pool.metadata.finalizers ?? [];
  if (pool.metadata.deletionTimestamp !== undefined) {
    // A pause does not keep machines from going with their pool.
    await reconciler.annotatePause(false);
    if (!(await reconciler.remove()) || !finalizers.includes(FINALIZER)) return;
    await api.patch(NODE_POOL, pool, { metadata: { finalizers: finalizers.filter((name) => name !== FINALIZER) } });
    return;
  }
  const current = finalizers.includes(FINALIZER)
    ? pool
    : await api.patch(NODE_POOL, pool, { metadata: { finalizers: [...finalizers, FINALIZER] } });
  if (hostedCluster === undefined || hostedCluster.metadata.deletionTimestamp !== undefined) return;
  const paused = isPaused(current, now);
  await reconciler.annotatePause(paused);
  if (paused) return;
  if ((await api.get(HOSTED_CONTROL_PLANE, namespace, pool.spec.clusterName)) === undefined) return;
  const generation = await readGeneration(api, current);
  await reconciler.reconcileSecrets(generation);
  const { infraID } = hostedCluster.spec;
  if (infraID === undefined || !(await isMachineApiServed(api))) return;
  const cluster = await api.get(CLUSTER, namespace, infraID);
  if (cluster === undefined) return;
  await reconciler.reconcileMachines(cluster, generation);
  const machines = await reconciler.objects(MACHINE);
  await writeStatus(api, await annotate(api, current, generation), machines.length, now);
}

/** The real operator keeps a pool's current state in annotations; a restore has to bring them along. */
async function annotate(api: KubeApi, pool: NodePoolObject, generation: Generation): Promise<NodePoolObject> {
  const annotations = {
    'hypershift.openshift.io/nodePoolCurrentConfig': generation.configHash,
    'hypershift.openshift.io/nodePoolCurrentConfigVersion': shortHash(generation.configHash, pool.spec.release.image),
    'hypershift.openshift.io/nodePoolPlatformMachineTemplate': generation.templateName,
  };
  if (covers(pool.metadata.annotations, annotations)) return pool;
  return api.patch(NODE_POOL, pool, { metadata: { annotations } });
}

/** Deletes token and user-data Secrets whose NodePool is not there: a restore that brings Secrets first loses them. */
export async function sweepNodePoolSecrets(
  api: KubeApi,
  namespace: string,
  pools: readonly KubeObject[],
): Promise<void> {
  const known = new Set(pools.map(({ metadata }) => `${metadata.namespace ?? ''}/${metadata.name}`));
  for (const { metadata } of await api.list(SECRET, namespace)) {
    const pool = metadata.annotations?.[NODE_POOL_ANNOTATION];
    if (pool !== undefined && !known.has(pool)) await api.delete(SECRET, namespace, metadata.name);
  }
}
