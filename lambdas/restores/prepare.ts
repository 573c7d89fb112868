import type * as z from 'zod';
import { FETCH_CONTAINER, preparationPod } from '../datastores/etcd/restore/helper-pods.ts';
import type { EtcdMemberVolume } from '../domain/etcd-installation.ts';
import { stepTimesSchema, type convergedSchema, type DirectedRestore } from '../domain/restore.ts';
import type { ClusterRunPorts } from '../operations/ports.ts';
import { snapshotObject } from '../recovery-points/layout.ts';
import { unpack, type PackedObject } from '../recovery-points/unpack.ts';
import { converge } from './converge.ts';
import { followPod } from './helper-pods.ts';
import { openRestore, type OpenedRestore, type PlannedDatastore } from './opened.ts';

/**
 * Restores the snapshot beside the live data of every member, while the control plane goes on working: each member's pod gets the
 * file through the API server, hashes it, and lets etcd's own program restore it.
 */
export async function prepareData(
  item: DirectedRestore,
  ports: ClusterRunPorts,
): Promise<z.infer<typeof convergedSchema>> {
  // The pods are gone when the restore has ended: a late delivery must not prepare anything again.
  const prepared = await ports.journal.read(item.operation, 'steps/prepare-data', stepTimesSchema);
  if (prepared !== undefined) return { done: true };
  const restore = await openRestore(item, ports);
  const { manifest, address } = await ports.catalogue.find(item.point, restore.name);
  const objects = new Map(manifest.datastores.map((datastore) => [datastore.name, snapshotObject(address, datastore)]));
  const goal = {
    step: 'prepare-data',
    direction: item.direction,
    limitSeconds: 3600,
    remedy: 'Look at the pods named lifeboat-… in the namespace of the control plane and their events.',
  };
  // For a moment more a pod is told to run the container that has taken everything.
  const fed = new Set<string>();
  return await converge(item, goal, ports, async () => {
    const waits = await Promise.all(
      restore.datastores.flatMap((datastore) =>
        datastore.installation.members.map((member) => {
          const object = objects.get(datastore.plan.datastore);
          if (object === undefined) throw new Error(`no snapshot of ${datastore.plan.datastore}`);
          return prepareMember(restore, datastore, member, object, fed, ports);
        }),
      ),
    );
    return waits.find((wait) => wait !== undefined);
  });
}

async function prepareMember(
  { cluster, plan: { operation } }: OpenedRestore,
  { plan, installation }: PlannedDatastore,
  member: EtcdMemberVolume,
  object: PackedObject,
  fed: Set<string>,
  { store, signal, report, configuration }: ClusterRunPorts,
): Promise<string | undefined> {
  const helperImage = configuration.restore?.helperImage;
  const pod = preparationPod(installation, member, {
    operation,
    sizeBytes: plan.sizeBytes,
    sha256: plan.sha256,
    clusterToken: plan.clusterToken,
    bump: plan.bump,
    etcdVersion: plan.etcdVersion,
    ...(helperImage !== undefined && { helperImage }),
  });
  return await followPod(cluster.api, pod, async (container) => {
    const { namespace = '', name } = pod.metadata;
    if (container !== FETCH_CONTAINER || fed.has(name)) return;
    const input = await cluster.attach({ namespace, pod: name, container }, { signal });
    try {
      await unpack(store, object, input, {
        signal,
        onProgress: (doneBytes, totalBytes) => {
          report({ kind: 'bytes', phase: `prepare ${member.pod}`, doneBytes, totalBytes });
        },
      });
      fed.add(name);
    } finally {
      input.destroy();
    }
  });
}
