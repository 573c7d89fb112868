import type { RestoreStep } from '../../statemachines/restore-control-plane/steps.ts';
import { holdControlPlane, type HeldControlPlane } from '../control-planes/hold.ts';
import type { Site } from '../control-planes/site.ts';
import type { DatastoreDriver } from '../datastores/driver.ts';
import { drivers } from '../datastores/registry.ts';
import { parseControlPlaneName } from '../domain/control-plane.ts';
import type { Datastore } from '../domain/datastore.ts';
import { GateError, NotFoundError } from '../domain/errors.ts';
import { etcdOf, type EtcdInstallation } from '../domain/etcd-installation.ts';
import type { DatastorePlan, DirectedRestore, LockedRestore, Restore, RestorePlan } from '../domain/restore.ts';
import { markControlPlane, whyOther, type PlannedMarking } from '../operations/mark.ts';
import type { ClusterRunPorts } from '../operations/ports.ts';
import { platforms } from '../platforms/registry.ts';
import { isAbandoned, readRestorePlan, recordWayBack } from './records.ts';
import { refuserOfOvertaken, refuseTakenBack } from './resumed.ts';
import { strategies } from './strategies/registry.ts';
import type { RestoreStrategy } from './strategies/strategy.ts';

/** A restore as its steps work on it. */
export interface OpenedRestore extends LookedAtRestore, HeldControlPlane {}

/** A restore that is only looked at. */
export interface LookedAtRestore extends Site {
  readonly plan: RestorePlan;
  readonly strategy: RestoreStrategy;
  readonly datastores: readonly PlannedDatastore[];
}

/** A datastore of a plan, as it is installed and as its driver knows it. */
export interface PlannedDatastore {
  readonly plan: DatastorePlan;
  readonly installation: EtcdInstallation;
  readonly datastore: Datastore;
  readonly driver: DatastoreDriver;
}

/**
 * The plan of a restore, and its control plane under lock and mark, which are extended, for one of its steps. Errors as of {@link readRestorePlan};
 * LockedError when lock or mark are lost, GateError when the control plane is another one than was planned, and once the restore has
 * ended: a late delivery or a redrive must not do anything.
 */
export async function openRestore(
  item: DirectedRestore,
  step: RestoreStep,
  ports: ClusterRunPorts,
): Promise<OpenedRestore> {
  const { operation, direction } = item;
  const { journal } = ports;
  if (await journal.has(operation, 'result')) {
    throw new GateError(`restore ${operation} has ended; nothing is done for it any more`, {
      remedy: `"lifeboat operation ${operation}" shows how it ended. To restore, begin a new one.`,
    });
  }
  if (direction === 'forward' && (await isAbandoned(operation, { journal }))) {
    throw new GateError(`restore ${operation} was abandoned`, { remedy: 'To restore, begin a new one.' });
  }
  if (direction === 'back') await recordWayBack(operation, ports.clock(), ports);
  const plan = await readRestorePlan(item, ports);
  return { ...describePlan(plan), ...(await holdRestore({ ...item, step, uid: plan.target.uid }, ports)) };
}

/**
 * What a step may work with under lock and mark; errors as of {@link holdControlPlane}. A change is refused with GateError once the
 * way back or the next step is begun: a delivery that hung until then comes too late.
 */
export async function holdRestore(
  item: DirectedRestore & PlannedMarking & { readonly step: RestoreStep },
  ports: ClusterRunPorts,
): Promise<HeldControlPlane> {
  const refuseOvertaken = await refuserOfOvertaken(item, ports);
  const refuse = async () => {
    await Promise.all([refuseTakenBack(item, ports), refuseOvertaken()]);
  };
  return await holdControlPlane(item, refuse, ports);
}

/** Marks the control plane that was planned. Nothing is marked for a restore that {@link isLeftToOther}. */
export async function markRestore(item: LockedRestore, ports: ClusterRunPorts): Promise<null> {
  if (await isLeftToOther(item, ports)) return null;
  const { target } = await readRestorePlan(item, ports);
  return await markControlPlane({ ...item, uid: target.uid }, ports);
}

/** Whether a restore is abandoned whose control plane is another one now: it ends without a look at that. */
export async function isLeftToOther(item: Restore, ports: ClusterRunPorts): Promise<boolean> {
  if (!(await isAbandoned(item.operation, ports))) return false;
  const { target } = await readRestorePlan(item, ports);
  return (await whyOther({ ...item, uid: target.uid }, ports)) !== undefined;
}

/** The same of a plan at hand, to look at only: whatever would change something is not held back by lock and mark. */
export async function openPlan(
  plan: RestorePlan,
  { connect }: Pick<ClusterRunPorts, 'connect'>,
): Promise<LookedAtRestore> {
  const cluster = await connect(parseControlPlaneName(plan.controlPlane).managementCluster);
  return { ...describePlan(plan), cluster };
}

function describePlan(plan: RestorePlan): Omit<LookedAtRestore, 'cluster'> {
  return {
    name: parseControlPlaneName(plan.controlPlane),
    plan,
    platform: platforms[plan.platform],
    strategy: strategies[plan.strategy],
    datastores: plan.datastores.map((planned) => {
      const installation = installationOf(plan, planned);
      const datastore = etcdOf(installation);
      return { plan: planned, installation, datastore, driver: drivers[datastore.kind] };
    }),
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
