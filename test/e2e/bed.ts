import { randomUUID } from 'node:crypto';
import { attachBed, type Bed } from '../testbed/bed.ts';
import { createHostedCluster, type HostedCluster } from '../testbed/hypershift/hosted-cluster.ts';
import type { HostedClusterPlan } from '../testbed/hypershift/hosted-cluster-objects.ts';
import { plantedSecrets } from '../testbed/hypershift/planted-secrets.ts';
import type { ManagementCluster } from '../testbed/management-cluster.ts';
import { plantSecrets } from '../suite/planted-secrets.ts';
import { Workspace, type WorkspaceConfiguration } from '../suite/lifeboat.ts';

/** Set by a developer to a bed's name: it is used as it is, brought up if need be, and kept after the run. */
export const KEPT_BED = process.env['LIFEBOAT_E2E_BED'];
/** The bed that all end-to-end suites share: `mgmt-a` with Cluster API, `mgmt-b` without. */
export const E2E_INSTANCE = KEPT_BED ?? 'e2e';

export async function sharedBed(): Promise<Bed> {
  return await attachBed(E2E_INSTANCE);
}

/** Creates a hosted cluster and remembers every secret of it for the search at the end of the run. */
export async function plantHostedCluster(cluster: ManagementCluster, plan: HostedClusterPlan): Promise<HostedCluster> {
  const hosted = await createHostedCluster(cluster, plan);
  await plantSecrets(await plantedSecrets(cluster));
  return hosted;
}

/** Creates a bucket of its own for a suite, also on a bed that has seen the suite before, and gives its name. */
export async function createBucket(bed: Bed, suite: string): Promise<string> {
  const name = `${suite}-${randomUUID().slice(0, 8)}`;
  await bed.s3.createBucket(name);
  return name;
}

/** Where a workspace goes instead of straight to the bed. */
export interface Detours {
  /** In place of the endpoint of the bed's S3. */
  readonly endpoint?: string;
  /** Names of clusters to kubeconfig files, in place of the bed's own. */
  readonly kubeconfigs?: Readonly<Record<string, string>>;
}

/**
 * A workspace whose store is the prefix `lifeboat` of a bucket on the bed's S3, with all clusters of the bed. The bucket's
 * credentials are put into this process as well, for what runs in it.
 */
export async function s3Workspace(bed: Bed, bucket: string, detours: Detours = {}): Promise<Workspace> {
  const { region, accessKeyId, secretAccessKey } = bed.s3;
  await plantSecrets([secretAccessKey]);
  const credentials = { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey };
  Object.assign(process.env, credentials);
  return await Workspace.create(
    {
      store: `s3://${bucket}/lifeboat`,
      s3: { endpoint: detours.endpoint ?? bed.s3.endpoint, region, forcePathStyle: true },
      managementClusters: managementClusters(bed, detours.kubeconfigs),
    },
    credentials,
  );
}

/** A workspace whose store is a directory inside it, with all clusters of the bed. */
export async function directoryWorkspace(
  bed: Bed,
  { kubeconfigs }: Detours = {},
  policies: WorkspaceConfiguration['policies'] = {},
): Promise<Workspace> {
  return await Workspace.create({
    store: './recovery-points',
    managementClusters: managementClusters(bed, kubeconfigs),
    policies,
  });
}

function managementClusters({ clusters }: Bed, kubeconfigs: Detours['kubeconfigs'] = {}) {
  return Object.fromEntries(
    clusters.map(({ name, kubeconfigPath }) => [name, { kubeconfig: kubeconfigs[name] ?? kubeconfigPath }]),
  );
}
