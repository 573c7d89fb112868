import { Readable, type Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { FETCH_CONTAINER, preparationPod, type PreparationPlan } from '../../../datastores/etcd/restore/helper-pods.ts';
import type { EtcdMemberVolume } from '../../../domain/etcd-installation.ts';
import { stagedKey } from '../../../domain/staging.ts';
import type { ClusterRunPorts } from '../../../operations/ports.ts';
import { snapshotObject } from '../../../recovery-points/layout.ts';
import { unpack, type PackedObject } from '../../../recovery-points/unpack.ts';
import { fedPods, noteBegunPod, type FedPods } from './fed-pods.ts';
import { firstOf, followedPods, followPod, type FollowedPods } from './follow-pods.ts';
import type { OpenedRestore, PlannedDatastore } from '../../open-restore.ts';
import { rebuildLost } from '../../rebuild.ts';
import { noteStaged, removeStaged, stageSnapshot } from '../../staging.ts';
import type { Look } from '../strategy.ts';

/**
 * The signature is checked when the download begins, which is as soon as a pod has the URL; how long it lasts does not matter. No
 * call of this step lasts longer, so none hands out a URL that is over.
 */
const URL_SECONDS = 900;

/**
 * Restores the snapshot beside the live data of every member: each member's pod gets the file through the API server or by a URL,
 * hashes it, and lets etcd's own program restore it. What is lost of the control plane is made again before.
 */
export async function prepare(restore: OpenedRestore, ports: ClusterRunPorts): Promise<Look> {
  const { operation } = restore.plan;
  const fed = await fedPods(operation, ports);
  const followed = followedPods();
  const begun = new Set<string>();
  const claims = restore.datastores.flatMap(({ installation }) =>
    installation.members.flatMap(({ lostClaim }) => lostClaim ?? []),
  );
  const rebuild = rebuildLost(restore, claims, ports);
  let feeds: readonly Feed[] | undefined;
  return async () => {
    if (feeds === undefined) {
      const waitsFor = await rebuild();
      if (waitsFor !== undefined) return waitsFor;
      feeds = await feedsOf(restore, ports);
    }
    const waits = await Promise.all(
      feeds.flatMap((feed) =>
        feed.datastore.installation.members.map((member) =>
          prepareMember(restore, member, feed, { fed, followed, begun }, ports),
        ),
      ),
    );
    const waitsFor = firstOf(waits);
    // Nobody needs it from here on, however the restore ends.
    if (waitsFor === undefined) await removeStaged(operation, ports);
    return waitsFor;
  };
}

/** What is known of the pods of a preparation. */
interface PreparedPods {
  readonly fed: FedPods;
  readonly followed: FollowedPods;
  /** Names of those that were seen to run in this call. */
  readonly begun: Set<string>;
}

async function prepareMember(
  { cluster, plan: { operation } }: OpenedRestore,
  member: EtcdMemberVolume,
  feed: Feed,
  { fed, followed, begun }: PreparedPods,
  ports: ClusterRunPorts,
): Promise<string | undefined> {
  const { plan, installation } = feed.datastore;
  const helperImage = ports.configuration.restore?.helperImage;
  const pod = preparationPod(installation, member, {
    operation,
    sizeBytes: plan.sizeBytes,
    sha256: plan.sha256,
    clusterToken: plan.clusterToken,
    bump: plan.bump,
    etcdVersion: plan.etcdVersion,
    input: feed.input,
    over: [...followed.over],
    ...(helperImage !== undefined && { helperImage }),
  });
  return await followPod(cluster.api, pod, ports, followed, async (container, uid) => {
    const { namespace = '', name } = pod.metadata;
    if (!begun.has(name)) await noteBegunPod(operation, name, ports);
    begun.add(name);
    if (container !== FETCH_CONTAINER || fed.has(name, uid)) return;
    // A function has its time for one; the others have theirs in the next look or call.
    if (ports.secondsACall !== undefined && !fed.takeTurn()) return;
    try {
      const input = await cluster.attach({ namespace, pod: name, container }, { signal: ports.signal });
      try {
        await feed.into(input, `prepare ${member.pod}`);
        await fed.add(name, uid);
      } finally {
        input.destroy();
      }
    } finally {
      fed.endTurn();
    }
  });
}

/** How the pods of one datastore get its snapshot. */
interface Feed {
  readonly datastore: PlannedDatastore;
  readonly input: PreparationPlan['input'];
  /** Feeds one pod, and waits until it has taken the whole snapshot. */
  readonly into: (input: Writable, phase: string) => Promise<void>;
}

async function feedsOf({ name, plan, datastores, checkHold }: OpenedRestore, ports: ClusterRunPorts): Promise<Feed[]> {
  const { manifest, address } = await ports.catalogue.find(plan.point, name);
  const sources = datastores.map((datastore) => {
    const entry = manifest.datastores.find((stored) => stored.name === datastore.plan.datastore);
    if (entry === undefined) throw new Error(`no snapshot of ${datastore.plan.datastore}`);
    return { datastore, object: snapshotObject(address, entry) };
  });
  if (ports.configuration.restore?.transfer !== 'presigned-url') {
    return sources.map(({ datastore, object }) => feedWithFile(datastore, object, ports));
  }
  const { operation } = plan;
  await checkHold();
  await noteStaged(
    operation,
    datastores.map(({ plan: { datastore } }) => stagedKey(operation, datastore)),
    ports.journal,
  );
  const feeds: Feed[] = [];
  for (const { datastore, object } of sources) {
    const key = await stageSnapshot(operation, datastore.plan.datastore, object, { ...ports, checkHold });
    feeds.push(feedWithUrl(datastore, key, ports));
  }
  return feeds;
}

function feedWithFile(
  datastore: PlannedDatastore,
  object: PackedObject,
  { store, signal, report }: ClusterRunPorts,
): Feed {
  return {
    datastore,
    input: 'file',
    into: (input, phase) =>
      unpack(store, object, input, {
        signal,
        onProgress: (doneBytes, totalBytes) => {
          report({ kind: 'bytes', phase, doneBytes, totalBytes });
        },
      }),
  };
}

function feedWithUrl(datastore: PlannedDatastore, key: string, { store, signal }: ClusterRunPorts): Feed {
  return {
    datastore,
    input: 'url',
    into: async (input) => {
      const { url } = await store.presign(key, URL_SECONDS);
      await pipeline(Readable.from([`${url.reveal()}\n`]), input, { signal });
    },
  };
}
