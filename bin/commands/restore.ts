import { parseControlPlaneName } from '../../lambdas/domain/control-plane.ts';
import { LockedError, NotFoundError, UnsupportedError, withRemedy } from '../../lambdas/domain/errors.ts';
import { controlPlaneLock, operationName } from '../../lambdas/domain/operation.ts';
import {
  restorePlanSchema,
  type RestorePlan,
  type RestoreRequest,
  type RestoreResult,
} from '../../lambdas/domain/restore.ts';
import { findRecordedRestore } from '../../lambdas/operations/recorded-restores.ts';
import { makePlan } from '../../lambdas/restores/plan.ts';
import { findRestorePlan, isFenceBegun } from '../../lambdas/restores/records.ts';
import { reportRestore } from '../../lambdas/restores/report.ts';
import type { Interrupts } from '../local/interrupts.ts';
import type { Ports } from '../local/ports.ts';
import { asOnlyWorker, runRestoreMachine } from '../local/restore-machine.ts';
import { EXIT, InterruptedError } from '../output/exit-codes.ts';
import { describePlan, describeResult, describeStopped } from '../output/restore-text.ts';
import { confirm } from './confirm.ts';
import { chosenPoint, type PointChoice } from './point-choice.ts';
import { OF_FORMER_VERSION } from './operations.ts';
import type { CommandResult } from './result.ts';

export interface RestoreOptions extends PointChoice {
  readonly dryRun: boolean;
  readonly yes: boolean;
  readonly resume?: string;
  readonly acceptOtherUid: boolean;
}

const EXIT_CODES: Readonly<Record<RestoreResult['outcome'], number>> = {
  restored: EXIT.done,
  unfinished: EXIT.failed,
  'not-begun': EXIT.failed,
  'rolled-back': EXIT.failed,
  stuck: EXIT.refused,
  abandoned: EXIT.failed,
};

/** From this state on an end would leave the control plane without its API. */
const FENCE = 'Fence the control plane';
const HELD_BACK =
  'Behind the fence: finishing, or rolling back should it fail. Press again to leave it as it is, without its API.';

/** `lifeboat restore <control plane>`: plans, asks, and runs the machine; `--resume` goes on with a restore that was fenced. */
export async function restore(
  ports: Ports,
  controlPlane: string,
  options: RestoreOptions,
  interrupts: Interrupts,
): Promise<CommandResult> {
  parseControlPlaneName(controlPlane);
  const former = options.resume === undefined ? undefined : await readPlan(ports, controlPlane, options.resume);
  if (former !== undefined && (await ports.journal.has(former.operation, 'result'))) {
    ports.report({ kind: 'note', text: `restore ${former.operation} has ended already: this is how` });
  }
  if (former !== undefined && !(await isUnfenced(former, ports))) {
    if (options.dryRun) return { json: { plan: former, result: null }, text: describePlan(former, ports.clock()) };
    return await asOnlyWorker(former.operation, ports, ({ signal }) =>
      runRestore(former, { ...ports, signal }, interrupts),
    );
  }
  if (former !== undefined) {
    const text = `restore ${former.operation} has touched nothing yet: it is planned anew`;
    ports.report({ kind: 'note', text });
  }
  // The machine refuses it as well, but only after the recovery point has been read back.
  else if (!options.dryRun) await ports.locks.refuseWhileHeld(controlPlaneLock(controlPlane));
  const plan = await makePlan(newRequest(ports, controlPlane, options, former), ports);
  const text = describePlan(plan, ports.clock());
  if (options.dryRun) return { json: { plan, result: null }, text };
  await confirm(text, 'Restore?', options.yes, ports.signal);
  if (former !== undefined) await close(former, ports);
  return await asOnlyWorker(plan.operation, ports, async ({ signal }) => {
    await ports.journal.record(plan.operation, 'plan', restorePlanSchema, plan);
    try {
      return await runRestore(plan, { ...ports, signal }, interrupts);
    } catch (error) {
      if (error instanceof LockedError && !signal.aborted) await recordRefusal(plan, error, ports);
      throw error;
    }
  });
}

/** Whether a restore was planned and nothing more than prepared: what was so then may be otherwise now. */
async function isUnfenced({ operation }: RestorePlan, ports: Ports): Promise<boolean> {
  return !(await isFenceBegun(operation, ports)) && !(await ports.journal.has(operation, 'result'));
}

/** Nothing of a restore that never had the lock is left to be resumed. */
async function recordRefusal(plan: RestorePlan, error: LockedError, ports: Ports): Promise<void> {
  const { operation, controlPlane, platform, point } = plan;
  const planSha256 = (await findRestorePlan(operation, ports))?.sha256;
  if (planSha256 === undefined) return;
  const failure = { step: 'Lock the control plane', error: error.name, reason: withRemedy(error) };
  const end = { operation, controlPlane, platform, point, planSha256, outcome: 'not-begun' } as const;
  await reportRestore({ ...end, failure, failureOnTheWayBack: null }, ports);
}

async function runRestore(plan: RestorePlan, ports: Ports, interrupts: Interrupts): Promise<CommandResult> {
  const { operation, controlPlane, point, request } = plan;
  const acceptOtherUid = request?.acceptOtherUid ?? false;
  ports.report({
    kind: 'note',
    text: `operation ${operation}; should this end early: lifeboat restore ${controlPlane} --resume ${operation}`,
  });
  const onState = (state: string) => {
    if (state === FENCE) interrupts.holdBack(HELD_BACK);
  };
  try {
    const result = await runRestoreMachine(plan, { operation, controlPlane, point, acceptOtherUid }, ports, {
      onState,
    });
    return { json: { plan, result }, text: describeResult(result), exitCode: EXIT_CODES[result.outcome] };
  } catch (error) {
    if (!(ports.signal.reason instanceof InterruptedError)) throw error;
    const told = await putInOrder(plan, { ...ports, signal: interrupts.afterwards() });
    throw new InterruptedError(`interrupted; ${told}`);
  }
}

/** After an interruption: before the fence all is undone; behind it all is left, and what stands still is said. */
async function putInOrder(plan: RestorePlan, ports: Ports): Promise<string> {
  if (await isFenceBegun(plan.operation, ports)) return describeStopped(plan);
  await runRestoreMachine(plan, { abandon: plan.operation }, ports);
  return `${plan.controlPlane} was not touched; what was prepared has been removed`;
}

/** Closes a restore that is planned anew. */
async function close(former: RestorePlan, ports: Ports): Promise<void> {
  await asOnlyWorker(former.operation, ports, async ({ signal }) => {
    await runRestoreMachine(former, { abandon: former.operation }, { ...ports, signal });
  });
}

function newRequest(
  ports: Ports,
  controlPlane: string,
  options: RestoreOptions,
  former: RestorePlan | undefined,
): RestoreRequest {
  const operation = operationName('restore', ports.clock(), ports.random);
  const point = former === undefined ? chosenPoint(options) : former.point;
  const acceptOtherUid = options.acceptOtherUid || former?.request?.acceptOtherUid === true;
  return { operation, controlPlane, point, acceptOtherUid };
}

async function readPlan(ports: Ports, controlPlane: string, operation: string): Promise<RestorePlan> {
  const recorded = await findRecordedRestore(operation, ports.store);
  const plan = recorded && (await findRestorePlan(operation, recorded))?.document;
  if (plan?.controlPlane === controlPlane) {
    if (recorded?.isOfFormerVersion !== true) return plan;
    throw new UnsupportedError(`restore ${operation} cannot be resumed: ${OF_FORMER_VERSION}`, {
      remedy: `Run "lifeboat operation ${operation}" to see how far it came.`,
    });
  }
  throw new NotFoundError(`there is no restore ${operation} of ${controlPlane}`, {
    remedy: 'Run "lifeboat operations" to see the operations.',
  });
}
