import { Aftermath, type Outcome } from '../../suite/aftermath.ts';
import type { Workspace } from '../../suite/lifeboat.ts';
import { seed } from '../../suite/seed.ts';
import type { Bed } from '../../testbed/bed.ts';
import { startHttpFaultProxy, type HttpFaultProxy } from '../../testbed/http-fault-proxy.ts';
import { fillHostedEtcd } from '../../testbed/hypershift/fill.ts';
import type { HostedCluster } from '../../testbed/hypershift/hosted-cluster.ts';
import type { TcpProxy } from '../../testbed/tcp-proxy.ts';
import { createBucket, plantHostedCluster, retireHostedCluster, s3Workspace, sharedBed } from '../bed.ts';
import { openClusterDetour } from '../cluster-detour.ts';
import { EtcdReaders } from './etcd-readers.ts';
import { backUpInProcess, type InProcessOptions } from './in-process.ts';

/**
 * Size of a stage's database. More than HTTP/2's window of 16 MiB, so that a member is in the middle of its stream while
 * little of it has been let through; and compressed more than one part of a multipart upload.
 */
export const DATABASE_BYTES = 22 * 1024 * 1024;
/** What is let through of a snapshot before it is held. */
export const PASSED_BYTES = 2 * 1024 * 1024;

/**
 * A hosted control plane of its own with a filled etcd, a bucket of its own, and proxies on the ways to both that can be
 * turned against a backup.
 */
export interface FaultStage {
  readonly bed: Bed;
  readonly hosted: HostedCluster;
  /** `<management cluster>/<namespace>/<name>` of the hosted control plane. */
  readonly controlPlane: string;
  readonly bucket: string;
  /** Its ways lead through the proxies. */
  readonly workspace: Workspace;
  /** Before the API server of the management cluster. */
  readonly api: TcpProxy;
  /** Before S3. */
  readonly s3: HttpFaultProxy;
  readonly readers: EtcdReaders;
  readonly aftermath: Aftermath;
  close(): Promise<void>;
}

/** Builds a stage for a suite on the first management cluster of the shared bed. */
export async function buildFaultStage(suite: string, members: 1 | 3): Promise<FaultStage> {
  const closing: (() => Promise<void>)[] = [];
  const close = async () => {
    const closed = await Promise.allSettled(closing.map((end) => end()));
    for (const result of closed) if (result.status === 'rejected') throw result.reason;
  };
  try {
    const bed = await sharedBed();
    const [cluster] = bed.clusters;
    const name = `${suite}-${members}`;
    const bucket = await createBucket(bed, name);
    const detour = await openClusterDetour(cluster);
    closing.push(() => detour.close());
    const s3 = await startHttpFaultProxy(bed.s3.endpoint);
    closing.push(() => s3.stop());
    const kubeconfigs = { [cluster.name]: detour.kubeconfigPath };
    const workspace = await s3Workspace(bed, bucket, { endpoint: s3.endpoint, kubeconfigs });
    closing.push(() => workspace.remove());
    const hosted = await plantHostedCluster(cluster, { namespace: name, name: 'prod', members, etcdVersion: '3.6.5' });
    closing.push(() => retireHostedCluster(hosted));
    await fillHostedEtcd(hosted, { databaseBytes: DATABASE_BYTES, seed });
    const readers = await EtcdReaders.of(hosted);
    const aftermath = await Aftermath.of(bed.s3, bucket, readers);
    closing.push(() => aftermath.close());
    const controlPlane = `${cluster.name}/${name}/prod`;
    return { bed, hosted, controlPlane, bucket, workspace, api: detour.proxy, s3, readers, aftermath, close };
  } catch (error) {
    await close().catch(() => undefined);
    throw error;
  }
}

/** Takes a recovery point of a stage's control plane in this process, through both proxies. */
export async function backUp(stage: FaultStage, options: InProcessOptions = {}): Promise<Outcome> {
  return await backUpInProcess(stage.workspace, stage.controlPlane, options);
}

/** The same, with something done while a member is in the middle of its stream and nothing comes from the API server. */
export async function backUpDisturbed(
  stage: FaultStage,
  disturb: () => Promise<void>,
  options: InProcessOptions = {},
): Promise<Outcome> {
  let disturbing: Promise<void> | undefined;
  const outcome = await backUp(stage, {
    ...options,
    report: (progress) => {
      if (progress.kind !== 'phase-started' || progress.phase !== 'snapshot') return;
      void stage.api.holdAfter(PASSED_BYTES).then(() => {
        disturbing = disturb().finally(() => {
          stage.api.release();
        });
      });
    },
  });
  if (disturbing === undefined) throw new Error('no snapshot was ever under way', { cause: outcome.error });
  await disturbing;
  return outcome;
}
