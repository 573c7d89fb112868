import { parseControlPlaneName, type ControlPlaneName } from '../domain/control-plane.ts';
import { NotFoundError } from '../domain/errors.ts';
import type { EtcdInstallation } from '../domain/etcd-installation.ts';
import type { DatastorePlan, LockedRestore, RestorePlan } from '../domain/restore.ts';
import type { Cluster } from '../kube/cluster.ts';
import type { ClusterRunPorts } from '../operations/ports.ts';
import type { Platform } from '../platforms/platform.ts';
import { platforms } from '../platforms/registry.ts';
import { readRestorePlan } from './records.ts';

/** A restore as its steps work on it. */
export interface OpenedRestore {
  readonly name: ControlPlaneName;
  readonly plan: RestorePlan;
  readonly platform: Platform;
  readonly cluster: Cluster;
  /** Each datastore of the plan with how it is installed. */
  readonly datastores: readonly PlannedDatastore[];
}

export interface PlannedDatastore {
  readonly plan: DatastorePlan;
  readonly installation: EtcdInstallation;
}

/** The plan of a restore, and the management cluster that it works on. Errors as of {@link readRestorePlan}. */
export async function openRestore(item: LockedRestore, { journal, connect }: ClusterRunPorts): Promise<OpenedRestore> {
  const plan = await readRestorePlan(item, { journal });
  const { controlPlane, platform } = item;
  const name = parseControlPlaneName(controlPlane);
  return {
    name,
    plan,
    platform: platforms[platform],
    cluster: await connect(name.managementCluster),
    datastores: plan.datastores.map((datastore) => ({
      plan: datastore,
      installation: installationOf(plan, datastore),
    })),
  };
}

function installationOf({ target }: RestorePlan, { datastore }: DatastorePlan): EtcdInstallation {
  const installation = target.datastores.find((installed) => installed.datastore === datastore);
  if (installation === undefined) throw new NotFoundError(`the plan has no installation of datastore ${datastore}`);
  return installation;
}

/** Whether every member served when the restore was planned: only then can it be asked that they do so again. */
export function isWhole({ datastores }: RestorePlan): boolean {
  return datastores.every(({ outages }) => outages.length === 0);
}

/** Where the pods of the control plane's datastores are. */
export function namespacesOf({ target }: RestorePlan): Set<string> {
  return new Set(target.datastores.map(({ namespace }) => namespace));
}
