import { createInterface } from 'node:readline/promises';
import { hostname } from 'node:os';
import process from 'node:process';
import { parseControlPlaneName } from '../../lambdas/domain/control-plane.ts';
import {
  ConfigurationError,
  LockedError,
  NotFoundError,
  UnsupportedError,
  withRemedy,
} from '../../lambdas/domain/errors.ts';
import { controlPlaneLock, operationName } from '../../lambdas/domain/operation.ts';
import {
  restorePlanSchema,
  restoreResultSchema,
  type RestorePlan,
  type RestoreRequest,
  type RestoreResult,
} from '../../lambdas/domain/restore.ts';
import { fenceControlPlaneStep } from '../../lambdas/handlers/fence-control-plane.ts';
import { finishRestoreStep } from '../../lambdas/handlers/finish-restore.ts';
import { lockControlPlaneStep } from '../../lambdas/handlers/lock-control-plane.ts';
import { planRestoreStep } from '../../lambdas/handlers/plan-restore.ts';
import { prepareDataStep } from '../../lambdas/handlers/prepare-data.ts';
import { releaseControlPlaneStep } from '../../lambdas/handlers/release-control-plane.ts';
import { reportRestoreStep } from '../../lambdas/handlers/report-restore.ts';
import { startControlPlaneStep } from '../../lambdas/handlers/start-control-plane.ts';
import { startDatastoreStep } from '../../lambdas/handlers/start-datastore.ts';
import { stopDatastoreStep } from '../../lambdas/handlers/stop-datastore.ts';
import { swapDataStep } from '../../lambdas/handlers/swap-data.ts';
import { takeSafetyPointStep } from '../../lambdas/handlers/take-safety-point.ts';
import { withOperationLock } from '../../lambdas/operations/lock.ts';
import { findRecordedRestore } from '../../lambdas/operations/recorded-restores.ts';
import { makePlan } from '../../lambdas/restores/plan.ts';
import { findRestorePlan } from '../../lambdas/restores/records.ts';
import { reportRestore } from '../../lambdas/restores/report.ts';
import { loadMachine, runMachine } from '../local/machine.ts';
import type { Ports } from '../local/ports.ts';
import { EXIT } from '../output/exit-codes.ts';
import { describePlan, describeResult } from '../output/restore-text.ts';
import { chosenPoint, type PointChoice } from './point-choice.ts';
import { OF_FORMER_VERSION } from './operations.ts';
import type { CommandResult } from './result.ts';

/** The steps of a restore by the names that its machine gives them. */
export const RESTORE_STEPS = {
  PlanRestore: planRestoreStep,
  LockControlPlane: lockControlPlaneStep,
  PrepareData: prepareDataStep,
  FenceControlPlane: fenceControlPlaneStep,
  TakeSafetyPoint: takeSafetyPointStep,
  StopDatastore: stopDatastoreStep,
  SwapData: swapDataStep,
  StartDatastore: startDatastoreStep,
  StartControlPlane: startControlPlaneStep,
  FinishRestore: finishRestoreStep,
  ReleaseControlPlane: releaseControlPlaneStep,
  ReportRestore: reportRestoreStep,
};

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
};

/**
 * `lifeboat restore <control plane>`: plans, asks, and runs the machine. Once it runs, an interruption leaves everything as it
 * is for `--resume`; nothing goes on behind it.
 */
export async function restore(ports: Ports, controlPlane: string, options: RestoreOptions): Promise<CommandResult> {
  parseControlPlaneName(controlPlane);
  const isNew = options.resume === undefined;
  if (isNew && !options.dryRun) {
    // The machine refuses it as well, but only after the recovery point has been read back.
    await ports.locks.refuseWhileHeld(controlPlaneLock(controlPlane));
  }
  const plan =
    options.resume === undefined
      ? await makePlan(newRequest(ports, controlPlane, options), ports)
      : await readPlan(ports, controlPlane, options.resume);
  if (options.dryRun) return { json: { plan, result: null }, text: describePlan(plan, ports.clock()) };
  if (isNew) await confirm(plan, options, ports);
  const worker = `process ${process.pid} on ${hostname()} since ${ports.clock().toISOString()}`;
  return await withOperationLock({ operation: plan.operation, worker }, ports, async ({ signal }) => {
    if (isNew) await ports.journal.record(plan.operation, 'plan', restorePlanSchema, plan);
    try {
      return await runRestore(plan, options.acceptOtherUid, { ...ports, signal });
    } catch (error) {
      if (isNew && error instanceof LockedError && !signal.aborted) await recordRefusal(plan, error, ports);
      throw error;
    }
  });
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

async function runRestore(plan: RestorePlan, acceptOtherUid: boolean, ports: Ports): Promise<CommandResult> {
  const { operation, controlPlane, point } = plan;
  const readResult = () => ports.journal.read(operation, 'result', restoreResultSchema);
  const input: RestoreRequest = { operation, controlPlane, point, acceptOtherUid };
  ports.report({
    kind: 'note',
    text: `operation ${operation}; should this end early: lifeboat restore ${controlPlane} --resume ${operation}`,
  });
  try {
    if ((await readResult()) === undefined) {
      await runMachine<Ports>(
        loadMachine('restore-control-plane'),
        input,
        RESTORE_STEPS,
        (_, signal) => ({ ...ports, signal: AbortSignal.any([ports.signal, signal]) }),
        { signal: ports.signal },
      );
    }
  } catch (error) {
    if (ports.signal.aborted || (await readResult()) === undefined) throw error;
  }
  const result = await readResult();
  if (result === undefined) throw new Error(`restore ${operation} has ended without a result`);
  return { json: { plan, result }, text: describeResult(result), exitCode: EXIT_CODES[result.outcome] };
}

function newRequest(ports: Ports, controlPlane: string, options: RestoreOptions): RestoreRequest {
  const point = chosenPoint(options);
  const operation = operationName('restore', ports.clock(), ports.random);
  return { operation, controlPlane, point, acceptOtherUid: options.acceptOtherUid };
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

async function confirm(plan: RestorePlan, { yes }: RestoreOptions, { clock, signal }: Ports): Promise<void> {
  const { stdin, stderr } = process;
  stderr.write(`${describePlan(plan, clock())}\n`);
  if (yes) return;
  if (!stdin.isTTY || !stderr.isTTY) {
    throw new ConfigurationError('nobody can be asked here whether to restore', {
      remedy: 'Read the plan, then run it with --yes.',
    });
  }
  const terminal = createInterface({ input: stdin, output: stderr });
  try {
    const answer = await terminal.question('Restore? Type "yes": ', { signal });
    if (answer.trim() === 'yes') return;
  } finally {
    terminal.close();
  }
  throw new ConfigurationError('not confirmed; nothing was touched', { remedy: 'Run it again and type "yes".' });
}
