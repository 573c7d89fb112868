import { NotFoundError, RestoreRefusedError } from '../domain/errors.ts';
import { OUTCOME_WORDS, restoreResultSchema, type PlannedRestore, type Way } from '../domain/restore.ts';
import { whyOther } from '../operations/mark.ts';
import type { ClusterRunPorts } from '../operations/ports.ts';
import { findBreach, findUse } from './breach.ts';
import { openPlan, type LookedAtRestore } from './opened.ts';
import {
  findRestorePlan,
  isFenceBegun,
  isPutBack,
  isServed,
  isSwapBegun,
  readBreach,
  recordAbandoned,
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
  const breach =
    (await readBreach(operation, ports))?.reason ??
    other ??
    (await findBreach(restore, ports)) ??
    ((await isServed(operation, ports)) ? undefined : await findUse(restore, ports));
  const way = other === undefined ? await chooseWay(operation, breach !== undefined, ports) : 'leave';
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
  const { controlPlane, platform, point } = restore.plan;
  const stage = await stageOf(operation, ports);
  return { operation, controlPlane, platform, point, planSha256, way, stage };
}

/** What somebody may have written is never replaced: then the data stay as they are. */
async function chooseWay(operation: string, isBroken: boolean, ports: ClusterRunPorts): Promise<Abandonment['way']> {
  if (!(await isFenceBegun(operation, ports)) || (await isServed(operation, ports))) return 'leave';
  if (!(await isSwapBegun(operation, ports)) || (await isPutBack(operation, ports))) return 'start';
  return isBroken ? 'leave' : 'back';
}
