import { GateError, RestoreRefusedError } from '../domain/errors.ts';
import { controlPlaneLock } from '../domain/operation.ts';
import { podsOf } from '../kube/workloads.ts';
import { readMark, whyOther } from '../operations/mark.ts';
import type { ClusterRunPorts } from '../operations/ports.ts';
import { accessTo } from '../recovery-points/reach.ts';
import type { LookedAtRestore } from './open-restore.ts';
import {
  isFenceBegun,
  isExchangeOver,
  isServed,
  isStartBegun,
  isSwapBegun,
  readBreach,
  readFenceBegun,
  readFenced,
  stepName,
  waitingName,
  type Fenced,
} from './records.ts';

/**
 * A restore may go on behind its fence only if nobody can have written since the fence was made: what was written would be in no
 * recovery point. This page says what counts as evidence.
 */

/** A pause that ends sooner than this is taken for ended: the platform's clock may be ahead of ours. */
const MARGIN_MILLISECONDS = 60_000;

const UNKNOWN = 'it was begun by an earlier version of Lifeboat, which noted nothing by which that could be told';

/**
 * Why the fence no longer stands, as far as each step can tell at little cost: the pause has lapsed, or somebody else had the lock
 * since. undefined while it stands, or was not begun.
 */
export async function lapseOf(
  token: number,
  { plan: { operation }, platform, cluster, name }: LookedAtRestore,
  ports: ClusterRunPorts,
): Promise<string | undefined> {
  const known = await readBreach(operation, ports);
  if (known !== undefined) return known.reason;
  if (await isExchangeOver(operation, ports)) return undefined;
  const begun = await readFenceBegun(operation, ports);
  if (begun === undefined) return (await readFenced(operation, ports)) === undefined ? undefined : UNKNOWN;
  if (begun.token !== token) return 'another operation had the lock of the control plane since';
  const pause = (await platform.reconcilers.read(cluster.api, name)) ?? null;
  if (pause === null) return 'the pause of the reconcilers is gone';
  if (pause.endsAt !== null && pause.endsAt.getTime() < ports.clock().getTime() + MARGIN_MILLISECONDS) {
    return `the pause of the reconcilers ended at ${pause.text}`;
  }
  return undefined;
}

/**
 * Why somebody may have written since the fence of a restore that is to go on, everything considered; undefined when nobody can
 * have. Nothing is changed. Errors as of reading the management cluster and, where it runs, the datastore.
 */
export async function findBreach(restore: LookedAtRestore, ports: ClusterRunPorts): Promise<string | undefined> {
  const { operation, controlPlane } = restore.plan;
  if (!(await isFenceBegun(operation, ports))) return undefined;
  const other = await whyOther({ ...restore.plan, uid: restore.plan.target.uid }, ports);
  if (other !== undefined) return other;
  const lock = await ports.locks.read(controlPlaneLock(controlPlane));
  const begun = await readFenceBegun(operation, ports);
  if (begun === undefined) return UNKNOWN;
  const isOver = await isExchangeOver(operation, ports);
  if (lock === undefined) return isOver ? undefined : 'the lock of the control plane was given back';
  if (lock.owner !== operation) return `operation ${lock.owner} had the lock of the control plane since`;
  if (isOver) return undefined;
  const lapse = await lapseOf(lock.token, restore, ports);
  if (lapse !== undefined || (await isServed(operation, ports))) return lapse;
  if ((await readMark(restore.plan, ports))?.nonce !== begun.nonce) {
    return 'the control plane no longer has the mark of this restore: another Lifeboat may have worked on it';
  }
  const fenced = await readFenced(operation, ports);
  if (fenced === undefined) return undefined;
  if (await isStartBegun(operation, ports)) return undefined;
  const writer = await runningWriter(restore);
  if (writer !== undefined) return `${writer} runs again`;
  if (await isSwapBegun(operation, ports)) {
    const started = (['forward', 'back'] as const).map((direction) =>
      ports.journal.has(operation, waitingName(stepName('start-datastore', direction))),
    );
    if ((await Promise.all(started)).includes(true)) return undefined;
    const datastore = await runningDatastore(restore);
    return datastore === undefined ? undefined : `${datastore} runs again`;
  }
  return await changedDatastore(fenced, restore, ports);
}

/** RestoreRefusedError when a restore that is to go on must not. Nothing is changed. */
export async function refuseBreached(restore: LookedAtRestore, ports: ClusterRunPorts): Promise<void> {
  const reason = await findBreach(restore, ports);
  if (reason === undefined) return;
  const { operation, controlPlane } = restore.plan;
  throw new RestoreRefusedError(
    `restore ${operation} of ${controlPlane} can't go on: ${reason}. What was written since its fence is in no recovery point`,
    { remedy: `"lifeboat abandon ${operation}" closes it and says how it leaves things; then begin a new restore.` },
  );
}

/**
 * Why the restored data must not be taken away from under their users: they were told to be served, and an API server runs. undefined
 * when nobody can use them.
 */
export async function findUse(restore: LookedAtRestore, ports: ClusterRunPorts): Promise<string | undefined> {
  if (!(await isStartBegun(restore.plan.operation, ports))) return undefined;
  const writer = await runningWriter(restore);
  return writer === undefined ? undefined : `${writer} runs with the restored data`;
}

async function runningWriter({ plan, cluster }: LookedAtRestore): Promise<string | undefined> {
  for (const writer of plan.target.writers) {
    const pods = await podsOf(cluster.api, writer);
    if (pods.length > 0) return `${writer.kind} ${writer.namespace}/${writer.name}`;
  }
  return undefined;
}

/** What of the control plane runs, whatever it is; what is gone does not. */
export async function findRunning(restore: LookedAtRestore): Promise<string | undefined> {
  for (const find of [runningWriter, runningDatastore]) {
    try {
      const running = await find(restore);
      if (running !== undefined) return running;
    } catch (error) {
      if (!(error instanceof GateError)) throw error;
    }
  }
  return undefined;
}

/** What runs of the datastores; undefined when nothing does. */
export async function runningDatastore(restore: LookedAtRestore): Promise<string | undefined> {
  for (const datastore of restore.datastores) {
    const running = await restore.strategy.whatRuns(datastore, restore);
    if (running !== undefined) return running;
  }
  return undefined;
}

/** Which datastore that runs does not hold what the fence found, and why. */
async function changedDatastore(
  fenced: Fenced,
  restore: LookedAtRestore,
  { signal }: ClusterRunPorts,
): Promise<string | undefined> {
  for (const planned of restore.datastores) {
    const { datastore, driver } = planned;
    const seal = fenced.datastores[datastore.name];
    if (seal === undefined || (await restore.strategy.whatRuns(planned, restore)) === undefined) continue;
    const access = await accessTo(restore, signal);
    const reason =
      (await driver.whyWritten(seal, datastore, access)) ?? (await driver.compareSeal(seal, datastore, access)).other;
    if (reason !== undefined) return reason;
  }
  return undefined;
}
