import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'yaml';
import { PURPOSES, type Purpose } from '../../lambdas/domain/purpose.ts';
import { attachBed, type Bed } from '../testbed/bed.ts';
import { createHostedCluster, HostedCluster } from '../testbed/hypershift/hosted-cluster.ts';
import type { HostedClusterPlan } from '../testbed/hypershift/hosted-cluster-objects.ts';
import { plantedSecrets } from '../testbed/hypershift/planted-secrets.ts';
import { BUSYBOX_IMAGE } from '../testbed/images.ts';
import type { ManagementCluster } from '../testbed/management-cluster.ts';
import { plantSecrets } from '../suite/planted-secrets.ts';
import { Workspace, type WorkspaceConfiguration } from '../suite/lifeboat.ts';

/** Set by a developer to a bed's name: it is used as it is, brought up if need be, and kept after the run. */
export const KEPT_BED = process.env['LIFEBOAT_E2E_BED'];
/** The lane in which suites run (lanes.ts): side by side unless said otherwise. */
export const LANE = process.env['LIFEBOAT_E2E_LANE'] as 'disruptive' | 'alone' | 'deployed' | undefined;
/** The bed that the end-to-end suites of a lane share: `mgmt-a` with Cluster API; side by side also `mgmt-b` without. */
export const E2E_INSTANCE = `${KEPT_BED ?? 'e2e'}${LANE === undefined ? '' : `-${LANE}`}`;

/** Ends a set-up or tear-down of a suite that hangs: more than planting a control plane takes on a machine that others load. */
export const SETUP_TIMEOUT_MILLISECONDS = 900_000;

export async function sharedBed(): Promise<Bed> {
  return await attachBed(E2E_INSTANCE);
}

/** Creates a hosted cluster and remembers every secret of it for the search at the end of the run. */
export async function plantHostedCluster(cluster: ManagementCluster, plan: HostedClusterPlan): Promise<HostedCluster> {
  const hosted = await createHostedCluster(cluster, plan);
  await plantSecrets(await plantedSecrets(cluster));
  return hosted;
}

const SHARED: HostedClusterPlan = { namespace: 'shared', name: 'prod', members: 1, etcdVersion: '3.6.5' };

const sharedOn = (cluster: ManagementCluster) => new HostedCluster(cluster, SHARED.namespace, SHARED.name);

/** Begins the control plane of the suites that only read. */
export async function beginSharedHostedCluster(cluster: ManagementCluster): Promise<void> {
  if (!(await sharedOn(cluster).exists())) await createHostedCluster(cluster, { ...SHARED, wait: false });
}

/** A control plane on `mgmt-a` for suites side by side that change nothing of it; nobody ends it but the bed. */
export async function sharedHostedCluster(cluster: ManagementCluster): Promise<HostedCluster> {
  const shared = sharedOn(cluster);
  await shared.waitUntilReady();
  await plantSecrets(await plantedSecrets(cluster));
  return shared;
}

/**
 * Ends a hosted cluster of which a suite needs nothing more. Nobody waits for it on a bed that goes with the run; on a kept one
 * the next run makes it again.
 */
export async function retireHostedCluster(hosted: HostedCluster): Promise<void> {
  await (KEPT_BED === undefined ? hosted.startDeletion() : hosted.delete());
}

/** Creates a bucket of its own for a suite, also on a bed that has seen the suite before, and gives its name. */
export async function createBucket(bed: Bed, suite: string): Promise<string> {
  const name = `${suite}-${randomUUID().slice(0, 8)}`;
  await bed.s3.createBucket(name);
  return name;
}

/** Namespace of the accounts that suites share; one that looks into the audit log has accounts of its own (`accountsOf`). */
const SHARED_ACCOUNTS = 'lifeboat';

/** Namespace for the accounts of a suite: whatever the audit log tells of them this suite has done. */
export function accountsOf(suite: string): string {
  return `accounts-of-${suite}`;
}

/**
 * The kubeconfig of the account with which the suites back up or restore: what `lifeboat enroll` made of a cluster, and no
 * more. Made when one is first asked for; lies with the cluster's own files and goes with them.
 */
export async function enrolledKubeconfig(
  cluster: ManagementCluster,
  purpose: Purpose = 'backup',
  accounts = SHARED_ACCOUNTS,
): Promise<string> {
  const path = enrolledPath(cluster, purpose, accounts);
  if (!existsSync(path)) await enrollCluster(cluster, [purpose], accounts);
  return path;
}

/** The account of a purpose, as API servers and their audit logs call it. */
export function enrolledUser(purpose: Purpose, accounts: string): string {
  return `system:serviceaccount:${accounts}:${accountFor(purpose)}`;
}

function enrolledPath({ stateDirectory }: ManagementCluster, purpose: Purpose, accounts: string): string {
  return join(stateDirectory, `${accounts}-${purpose}.kubeconfig`);
}

function accountFor(purpose: Purpose): string {
  return `lifeboat-${purpose}`;
}

/** Runs `lifeboat enroll` on a cluster, also on one of a kept bed, whose rules may be those of former code. */
export async function enrollCluster(
  cluster: ManagementCluster,
  purposes: readonly Purpose[] = PURPOSES,
  accounts = SHARED_ACCOUNTS,
): Promise<void> {
  const { name, kubeconfigPath } = cluster;
  const workspace = await Workspace.create({
    store: './recovery-points',
    managementClusters: { [name]: { kubeconfig: kubeconfigPath } },
  });
  try {
    for (const purpose of purposes) {
      const path = enrolledPath(cluster, purpose, accounts);
      const made = ['--apply', '--namespace', accounts, '--to', path, '--force'];
      await workspace.json(['enroll', name, '--for', purpose, ...made]);
      await plantSecrets([await readToken(path)]);
    }
  } finally {
    await workspace.remove();
  }
}

/** The token in a kubeconfig that `lifeboat enroll` wrote. */
export async function readToken(path: string): Promise<string> {
  const { users } = parse(await readFile(path, 'utf8')) as { users: [{ user: { token: string } }] };
  return users[0].user.token;
}

/** Where a workspace goes instead of straight to the bed. */
export interface Detours {
  /** In place of the endpoint of the bed's S3. */
  readonly endpoint?: string;
  /** Names of clusters to kubeconfig files, in place of those of the enrolled accounts. */
  readonly kubeconfigs?: Readonly<Record<string, string>>;
  /** With restore's accounts for restores, beside those of backups. */
  readonly purpose?: Purpose;
  /** Namespace of the accounts; those that suites share when left out. */
  readonly accounts?: string;
  /** How restores get snapshots to their pods; as configured by default when left out. */
  readonly transfer?: 'attach' | 'presigned-url';
}

/**
 * A workspace whose store is the prefix `lifeboat` of a bucket on the bed's S3, with all clusters of the bed. The bucket's
 * credentials are put into this process as well, for what runs in it.
 */
export async function s3Workspace(
  bed: Bed,
  bucket: string,
  detours: Detours = {},
  policies: WorkspaceConfiguration['policies'] = {},
): Promise<Workspace> {
  const { region, accessKeyId, secretAccessKey } = bed.s3;
  await plantSecrets([secretAccessKey]);
  const credentials = { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey };
  Object.assign(process.env, credentials);
  return await Workspace.create(
    {
      store: `s3://${bucket}/lifeboat`,
      s3: { endpoint: detours.endpoint ?? bed.s3.endpoint, region, forcePathStyle: true },
      managementClusters: await managementClusters(bed, detours),
      policies,
      ...restoreConfiguration(detours),
    },
    credentials,
  );
}

/** A workspace whose store is a directory inside it, with all clusters of the bed. */
export async function directoryWorkspace(
  bed: Bed,
  detours: Detours = {},
  policies: WorkspaceConfiguration['policies'] = {},
): Promise<Workspace> {
  return await Workspace.create({
    store: './recovery-points',
    managementClusters: await managementClusters(bed, detours),
    policies,
    ...restoreConfiguration(detours),
  });
}

/** The bed pulls no images: restores fetch and move with one of its own. */
function restoreConfiguration({ purpose, transfer }: Detours): Pick<WorkspaceConfiguration, 'restore'> {
  return purpose === 'restore'
    ? { restore: { helperImage: BUSYBOX_IMAGE, ...(transfer !== undefined && { transfer }) } }
    : {};
}

async function managementClusters({ clusters }: Bed, { kubeconfigs = {}, purpose, accounts }: Detours) {
  const entries = clusters.map(async (cluster) => {
    const kubeconfig = kubeconfigs[cluster.name] ?? (await enrolledKubeconfig(cluster, 'backup', accounts));
    const restore =
      purpose === 'restore' ? { restore: { kubeconfig: await enrolledKubeconfig(cluster, purpose, accounts) } } : {};
    return [cluster.name, { kubeconfig, ...restore }] as const;
  });
  return Object.fromEntries(await Promise.all(entries));
}
