import type * as z from 'zod';
import { createHash } from 'node:crypto';
import pLimit from 'p-limit';
import { connectAnyMember } from '../datastores/etcd/reach-member.ts';
import { workloadOf } from '../datastores/etcd/restore/workload.ts';
import { GateError } from '../domain/errors.ts';
import type { convergedSchema, DirectedRestore } from '../domain/restore.ts';
import { KubeApi } from '../kube/kube-api.ts';
import { parseKubeconfig } from '../kube/kubeconfig.ts';
import type { ClusterRunPorts } from '../operations/ports.ts';
import { converge } from './converge.ts';
import { keepPaused } from './fence.ts';
import { openRestore, type OpenedRestore, type PlannedDatastore } from './opened.ts';
import { recordApiBack } from './records.ts';
import { scaleTo } from './workloads.ts';

/** More would only wait for each other in one connection. */
const READS_AT_ONCE = 16;

/**
 * Starts the API servers, until they say that they are ready. Forward, the datastores are then compared with the recovery
 * point, value by value of a sample.
 */
export async function startControlPlane(
  item: DirectedRestore,
  ports: ClusterRunPorts,
): Promise<z.infer<typeof convergedSchema>> {
  const restore = await openRestore(item, ports);
  await keepPaused(restore, ports);
  const goal = {
    step: 'start-control-plane',
    direction: item.direction,
    limitSeconds: 900,
    remedy: 'Read the logs of the API servers; the datastore serves.',
  };
  return await converge(item, goal, ports, async () => {
    for (const writer of restore.plan.target.writers) {
      const waitsFor = await scaleTo(restore.cluster.api, writer, writer.replicas);
      if (waitsFor !== undefined) return waitsFor;
    }
    if (!(await isApiReady(restore, ports))) return 'the API is not ready';
    await recordApiBack(item.operation, item.direction, ports.clock(), ports);
    if (item.direction === 'back') return undefined;
    for (const datastore of restore.datastores) await compareSample(datastore, restore, ports);
    return undefined;
  });
}

/** Asks one of the API servers, through its pod: no name, load balancer or firewall of the control plane is needed. */
async function isApiReady({ platform, cluster, name }: OpenedRestore, { signal }: ClusterRunPorts): Promise<boolean> {
  const { namespace, pods, port, kubeconfig } = await platform.hostedApi(cluster.api, name);
  const [pod] = pods;
  if (pod === undefined) return false;
  const api = new KubeApi(parseKubeconfig(kubeconfig.reveal(), `the administrator's kubeconfig of ${name.name}`), {
    attempts: 1,
    openSocket: () => cluster.openTunnel({ namespace, pod, port }, { signal }),
  });
  try {
    return await api.readyz({ signal });
  } finally {
    api.close();
  }
}

async function compareSample(
  { plan, installation }: PlannedDatastore,
  { platform, cluster, name }: OpenedRestore,
  { signal }: ClusterRunPorts,
): Promise<void> {
  const workload = workloadOf(installation, await platform.etcdTls(cluster.api, name));
  const client = await connectAnyMember(workload, { cluster, signal });
  try {
    const wrong: string[] = [];
    await pLimit(READS_AT_ONCE).map(plan.sample, async ({ key, modRevision, sha256 }) => {
      const { kvs } = await client.range({ key: Buffer.from(key) });
      const [found] = kvs;
      // What was changed since the API is back is newer than everything that was restored.
      if (found !== undefined && found.modRevision > plan.revision) return;
      const equal =
        found?.modRevision === modRevision && createHash('sha256').update(found.value).digest('hex') === sha256;
      if (!equal) wrong.push(key);
    });
    if (wrong.length === 0) return;
    throw new GateError(
      `${wrong.length} of ${plan.sample.length} sampled objects are not those of the recovery point: ${wrong.slice(0, 5).join(', ')}`,
      {
        remedy: 'The restore is taken back; take the matter up with the recovery point that was used.',
      },
    );
  } finally {
    await client.close();
  }
}
