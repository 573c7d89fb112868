import { LifeboatError, NotFoundError, RestoreRefusedError } from '../domain/errors.ts';
import { OUTCOME_WORDS, restoreResultSchema, type PlannedRestore, type Way } from '../domain/restore.ts';
import { whyOther } from '../operations/mark.ts';
import type { ClusterRunPorts } from '../operations/ports.ts';
import { findBreach, findRunning, findUse } from './breach.ts';
import { openPlan, type LookedAtRestore } from './open-restore.ts';
import {
  findRestorePlan,
  isFenceBegun,
  isPutBack,
  isServed,
  isSwapBegun,
  readBreach,
  recordAbandoned,
  recordAbandonedWay,
  recordBreach,
  recordWayBack,
  stageOf,
} from './records.ts';

/** How a restore would be abandoned as things stand now. */
export interface Abandonment {
  readonly restore: LookedAtRestore;
  readonly planSha256: string;
  readonly way: Exclude<Way, 'forward'>;
  /** Why somebody may have written behind its fence; undefined when nobody can have. */
  readonly breach: string | undefined;
  /** Why nothing is changed in the management cluster: the control plane is another one than was planned. */
  readonly other: string | undefined;
}

/**
 * Finds out how a restore that has not ended can be abandoned; nothing is changed. NotFoundError without a plan,
 * RestoreRefusedError when it has ended.
 */
export async function judgeAbandonment(operation: string, ports: ClusterRunPorts): Promise<Abandonment> {
  const planned = await findRestorePlan(operation, ports);
  if (planned === undefined) {
    throw new NotFoundError(`there is no restore ${operation}`, { remedy: 'Run "lifeboat operations" to see them.' });
  }
  const result = await ports.journal.read(operation, 'result', restoreResultSchema);
  if (result !== undefined) {
    throw new RestoreRefusedError(`restore ${operation} has ended already (${OUTCOME_WORDS[result.outcome]})`, {
      remedy: `There is nothing to abandon. "lifeboat operation ${operation}" shows how it ended.`,
    });
  }
  const restore = await openPlan(planned.document, ports);
  const { plan } = restore;
  const other = await whyOther({ ...plan, uid: plan.target.uid }, ports);
  const breach = (await readBreach(operation, ports))?.reason ?? other ?? (await whyWritten(restore, ports));
  const way = other === undefined ? await chooseWay(restore, breach !== undefined, ports) : 'leave';
  return { restore, planSha256: planned.sha256, breach, other, way };
}

/**
 * Closes a restore for ever: from now on neither a resume nor a redrive does anything for it. Gives the way that the machine
 * takes to its end. Errors as of {@link judgeAbandonment}.
 */
export async function abandonRestore(operation: string, ports: ClusterRunPorts): Promise<PlannedRestore> {
  await judgeAbandonment(operation, ports);
  const at = ports.clock();
  await recordAbandoned(operation, at, ports);
  await recordWayBack(operation, at, ports);
  // Again, now that nothing is changed on the way forward any more: a step of it may have run meanwhile.
  const { restore, planSha256, way, breach } = await judgeAbandonment(operation, ports);
  if (breach !== undefined) await recordBreach(operation, { at: at.toISOString(), reason: breach }, ports);
  const recorded = await recordAbandonedWay(operation, way, ports);
  const { controlPlane, platform, point } = restore.plan;
  const stage = await stageOf(operation, ports);
  return { operation, controlPlane, platform, point, planSha256, way: recorded, stage };
}

/** Why somebody may have written; what can't be told counts as that, for a restore must be closed however things stand. */
async function whyWritten(restore: LookedAtRestore, ports: ClusterRunPorts): Promise<string | undefined> {
  try {
    const breach = await findBreach(restore, ports);
    if (breach !== undefined || (await isServed(restore.plan.operation, ports))) return breach;
    return await findUse(restore, ports);
  } catch (error) {
    ports.signal.throwIfAborted();
    if (!(error instanceof LifeboatError)) throw error;
    return `it can't be told whether somebody has written: ${error.message}`;
  }
}

/** What somebody may have written is never replaced, and what runs is never ended: then all stays as it is. */
async function chooseWay(
  restore: LookedAtRestore,
  isBroken: boolean,
  ports: ClusterRunPorts,
): Promise<Abandonment['way']> {
  const { operation } = restore.plan;
  if (!(await isFenceBegun(operation, ports))) return 'leave';
  const isOld = !(await isSwapBegun(operation, ports)) || (await isPutBack(operation, ports));
  if (isOld) return isBroken && (await findRunning(restore)) !== undefined ? 'leave' : 'start';
  return isBroken || (await isServed(operation, ports)) ? 'leave' : 'back';
}
