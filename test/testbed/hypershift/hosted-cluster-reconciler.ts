import { randomBytes, randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import type { KubeApi } from './api.ts';
import { transition, type ConditionPlan } from './conditions.ts';
import { memberCount, publishedSecrets, reconcileHostedControlPlane } from './control-plane-operator.ts';
import { isAvailable } from './control-plane-workload.ts';
import { converge, covers, readHoldings, type Holdings } from './converge.ts';
import { deleteCluster, pauseCluster, reconcileCluster } from './machine-api.ts';
import { controlPlaneNamespace, FINALIZER, HOSTED_CLUSTER_ANNOTATION } from './names.ts';
import { isPaused } from './pause.ts';
import { parseRelease } from './release.ts';
import {
  HOSTED_CLUSTER,
  HOSTED_CONTROL_PLANE,
  NAMESPACE,
  NODE_POOL,
  SECRET,
  type ControlPlaneObject,
  type NodePoolObject,
} from './resources.ts';

/** Adds the finalizer when it is missing, paused or not, and gives the object as it then is. */
async function withFinalizer(api: KubeApi, cluster: ControlPlaneObject): Promise<ControlPlaneObject> {
  const finalizers = cluster.metadata.finalizers ?? [];
  if (finalizers.includes(FINALIZER)) return cluster;
  return api.patch(HOSTED_CLUSTER, cluster, { metadata: { finalizers: [...finalizers, FINALIZER] } });
}

/** Names that the real operator makes up when they are not given. They are immutable afterwards. */
async function withIdentity(api: KubeApi, cluster: ControlPlaneObject): Promise<ControlPlaneObject> {
  const { infraID, clusterID } = cluster.spec;
  if (infraID !== undefined && clusterID !== undefined) return cluster;
  const spec = {
    infraID: infraID ?? `${cluster.metadata.name}-${randomBytes(3).toString('hex').slice(0, 5)}`,
    clusterID: clusterID ?? randomUUID(),
  };
  return api.patch(HOSTED_CLUSTER, cluster, { spec });
}

/** When a pass takes place, and why the one before it failed, if it did. */
export interface Pass {
  readonly now: Date;
  readonly lastError: string | undefined;
}

function conditions(cluster: ControlPlaneObject, holdings: Holdings, { now, lastError }: Pass): ConditionPlan[] {
  const condition = (type: string, holds: boolean, reason: string, otherwise: string): ConditionPlan => ({
    type,
    status: holds ? 'True' : 'False',
    reason: holds ? reason : otherwise,
  });
  const readyMembers = holdings.statefulSets.get('etcd')?.status?.readyReplicas ?? 0;
  const etcd = readyMembers > memberCount(cluster) / 2;
  const apiServer = isAvailable(holdings.deployments.get('kube-apiserver'));
  return [
    condition('EtcdAvailable', etcd, 'QuorumAvailable', 'EtcdWaitingForQuorum'),
    condition('KubeAPIServerAvailable', apiServer, 'AsExpected', 'WaitingForAvailable'),
    condition('Available', etcd && apiServer, 'AsExpected', 'ComponentsUnavailable'),
    condition('InfrastructureReady', holdings.services.has('kube-apiserver'), 'AsExpected', 'WaitingForInfrastructure'),
    condition('ReconciliationActive', !isPaused(cluster, now), 'AsExpected', 'ReconciliationPaused'),
    {
      ...condition('ReconciliationSucceeded', lastError === undefined, 'AsExpected', 'ReconciliationError'),
      message: lastError ?? '',
    },
  ];
}

async function writeStatus(api: KubeApi, cluster: ControlPlaneObject, holdings: Holdings, pass: Pass): Promise<void> {
  const { name, generation = 0 } = cluster.metadata;
  const { version } = parseRelease(cluster.spec.release.image);
  const plans = conditions(cluster, holdings, pass);
  const available = plans.some(({ type, status }) => type === 'Available' && status === 'True');
  // What was reached once stays so, however little of it runs afterwards.
  const reached = cluster.status?.version?.history.some(
    (entry) => entry.state === 'Completed' && entry.version === version,
  );
  const state = available || reached === true ? 'Completed' : 'Partial';
  const { secretEncryption } = cluster.spec;
  const desired = {
    conditions: transition(cluster.status?.conditions, plans, pass.now, generation),
    version: {
      desired: { image: cluster.spec.release.image, version },
      history: [{ state, version, image: cluster.spec.release.image }],
    },
    kubeconfig: { name: `${name}-admin-kubeconfig` },
    kubeadminPassword: { name: `${name}-kubeadmin-password` },
    ...(secretEncryption === undefined ? {} : { secretEncryption: { activeKey: secretEncryption } }),
  };
  if (covers(cluster.status, desired)) return;
  await api.replaceStatus(HOSTED_CLUSTER, { ...cluster, status: { ...cluster.status, ...desired } });
}

async function reconcileNamespace(api: KubeApi, name: string): Promise<void> {
  if ((await api.get(NAMESPACE, undefined, name)) !== undefined) return;
  const labels = { 'hypershift.openshift.io/hosted-control-plane': 'true' };
  await api.create(NAMESPACE, { apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } });
}

/** The HostedControlPlane with the HostedCluster's spec; the real one adds a finalizer of its own as well. */
async function reconcileCopy(
  api: KubeApi,
  cluster: ControlPlaneObject,
  namespace: string,
): Promise<ControlPlaneObject> {
  const { name } = cluster.metadata;
  const { apiVersion, kind } = HOSTED_CONTROL_PLANE;
  const annotations = { [HOSTED_CLUSTER_ANNOTATION]: `${cluster.metadata.namespace ?? ''}/${name}` };
  const metadata = { name, namespace, annotations, finalizers: [FINALIZER] };
  const held = await api.get(HOSTED_CONTROL_PLANE, namespace, name);
  if (held === undefined) return api.create(HOSTED_CONTROL_PLANE, { apiVersion, kind, metadata, spec: cluster.spec });
  // Equal and not only covered: a pause that was taken back has to leave the copy as well.
  if (isDeepStrictEqual(held.spec, cluster.spec) && covers(held.metadata, metadata)) return held;
  return api.replace(HOSTED_CONTROL_PLANE, {
    ...held,
    metadata: {
      ...held.metadata,
      finalizers: metadata.finalizers,
      annotations: { ...held.metadata.annotations, ...annotations },
    },
    spec: cluster.spec,
  });
}

/** Deletion ends the infrastructure first, then the control plane, and only then lets go of the HostedCluster. */
async function finalize(
  api: KubeApi,
  cluster: ControlPlaneObject,
  pools: readonly NodePoolObject[],
  namespace: string,
): Promise<void> {
  const { name } = cluster.metadata;
  await pauseCluster(api, namespace, false);
  for (const pool of pools) await api.delete(NODE_POOL, pool.metadata.namespace, pool.metadata.name);
  if (pools.length > 0) return;
  if (!(await deleteCluster(api, namespace))) return;
  const copy = await api.get(HOSTED_CONTROL_PLANE, namespace, name);
  if (copy !== undefined) {
    await api.delete(HOSTED_CONTROL_PLANE, namespace, name);
    const finalizers = (copy.metadata.finalizers ?? []).filter((finalizer) => finalizer !== FINALIZER);
    if (copy.metadata.deletionTimestamp !== undefined)
      await api.patch(HOSTED_CONTROL_PLANE, copy, { metadata: { finalizers } });
    return;
  }
  if ((await api.get(NAMESPACE, undefined, namespace)) !== undefined) {
    await api.delete(NAMESPACE, undefined, namespace);
    return;
  }
  const finalizers = (cluster.metadata.finalizers ?? []).filter((finalizer) => finalizer !== FINALIZER);
  await api.patch(HOSTED_CLUSTER, cluster, { metadata: { finalizers } });
}

/** One level-triggered pass over a HostedCluster: what the real hypershift-operator does, and its control-plane-operator. */
export async function reconcileHostedCluster(
  api: KubeApi,
  cluster: ControlPlaneObject,
  pools: readonly NodePoolObject[],
  pass: Pass,
): Promise<void> {
  const namespace = controlPlaneNamespace(cluster.metadata.namespace ?? '', cluster.metadata.name);
  if (cluster.metadata.deletionTimestamp !== undefined) {
    await finalize(api, cluster, pools, namespace);
    return;
  }
  const current = await withIdentity(api, await withFinalizer(api, cluster));
  const holdings = await readHoldings(api, namespace);
  await writeStatus(api, current, holdings, pass);
  if (isPaused(current, pass.now)) {
    const copy = await api.get(HOSTED_CONTROL_PLANE, namespace, current.metadata.name);
    const { pausedUntil } = current.spec;
    if (copy !== undefined && copy.spec.pausedUntil !== pausedUntil)
      await api.patch(HOSTED_CONTROL_PLANE, copy, { spec: { pausedUntil } });
    await pauseCluster(api, namespace, true);
    return;
  }
  await reconcileNamespace(api, namespace);
  const copy = await reconcileCopy(api, current, namespace);
  await reconcileCluster(api, current, namespace);
  await reconcileHostedControlPlane(api, current, copy, holdings);
  const published = new Map(
    (await api.list(SECRET, current.metadata.namespace)).map((secret) => [secret.metadata.name, secret]),
  );
  for (const secret of publishedSecrets(current, holdings)) await converge(api, SECRET, published, secret);
}
