import type * as z from 'zod';
import { createHash } from 'node:crypto';
import pLimit from 'p-limit';
import { isApiReady } from '../../control-planes/api-gate.ts';
import { withAnyMember } from '../../datastores/etcd/reach-member.ts';
import { workloadOf } from '../../datastores/etcd/restore/workload.ts';
import { GateError } from '../../domain/errors.ts';
import type { attemptedSchema, DirectedRestore, RestorePlan } from '../../domain/restore.ts';
import type { ClusterRunPorts } from '../../operations/ports.ts';
import { repeatBehindFence } from './behind-fence.ts';
import { isWhole, openRestore, type OpenedRestore, type PlannedDatastore } from '../open-restore.ts';
import { recordApiBack } from '../records.ts';
import { startsNothing } from '../resumed.ts';

/** More would only wait for each other in one connection. */
const READS_AT_ONCE = 16;

/**
 * Starts the API servers, until they say that they are ready. Forward, the datastores are then compared with the recovery
 * point, value by value of a sample. Back, they get the replicas that they had, and must be ready only if they were.
 */
export async function startControlPlane(
  item: DirectedRestore,
  ports: ClusterRunPorts,
): Promise<z.infer<typeof attemptedSchema>> {
  if (await startsNothing('start-control-plane', item, ports)) return { done: true };
  const restore = await openRestore(item, 'start-control-plane', ports);
  const { platform, cluster, name } = restore;
  const goal = {
    step: 'start-control-plane',
    remedy: 'Read the logs of the API servers; the datastore serves.',
  } as const;
  return await repeatBehindFence(item, restore, goal, ports, async () => {
    for (const writer of restore.plan.target.writers) {
      const replicas = item.direction === 'forward' ? writer.replicas : writer.foundReplicas;
      const waitsFor = await platform.apiServers.start(cluster.api, name, { ...writer, replicas });
      if (waitsFor !== undefined && (item.direction === 'forward' || wasServing(restore.plan))) return waitsFor;
    }
    if (item.direction === 'back' && !wasServing(restore.plan)) return undefined;
    if (!(await isApiReady(restore, ports))) return 'the API is not ready';
    await recordApiBack(item.operation, item.direction, ports.clock(), ports);
    if (item.direction === 'back') return undefined;
    for (const datastore of restore.datastores) await compareSample(datastore, restore, ports);
    return undefined;
  });
}

/** Whether every API server was ready before, and had a datastore that served. */
function wasServing(plan: RestorePlan): boolean {
  const { writers } = plan.target;
  return (
    isWhole(plan) && writers.every(({ foundReady, foundReplicas }) => foundReady > 0 && foundReady >= foundReplicas)
  );
}

async function compareSample(
  { plan, installation }: PlannedDatastore,
  { platform, cluster, name }: OpenedRestore,
  { signal }: ClusterRunPorts,
): Promise<void> {
  const workload = workloadOf(installation, await platform.datastoreAccess.etcdTls(cluster.api, name));
  const wrong: string[] = [];
  await withAnyMember(workload, { cluster, signal }, async (client) => {
    await pLimit(READS_AT_ONCE).map(plan.sample, async ({ key, modRevision, sha256 }) => {
      const { kvs } = await client.range({ key: Buffer.from(key) });
      const [found] = kvs;
      // What was changed since the API is back is newer than everything that was restored.
      if (found !== undefined && found.modRevision > plan.revision) return;
      const equal =
        found?.modRevision === modRevision && createHash('sha256').update(found.value).digest('hex') === sha256;
      if (!equal) wrong.push(key);
    });
  });
  if (wrong.length === 0) return;
  throw new GateError(
    `${wrong.length} of ${plan.sample.length} sampled objects are not those of the recovery point: ${wrong.slice(0, 5).join(', ')}`,
    { remedy: 'The restore is rolled back; do not use this recovery point again before you know why.' },
  );
}
