import { hostname } from 'node:os';
import process from 'node:process';
import {
  restoreResultSchema,
  type RestorePlan,
  type RestoreResult,
  type StartRequest,
} from '../../lambdas/domain/restore.ts';
import { fenceControlPlaneStep } from '../../lambdas/handlers/fence-control-plane.ts';
import { finishRestoreStep } from '../../lambdas/handlers/finish-restore.ts';
import { lockControlPlaneStep } from '../../lambdas/handlers/lock-control-plane.ts';
import { markControlPlaneStep } from '../../lambdas/handlers/mark-control-plane.ts';
import { planRestoreStep } from '../../lambdas/handlers/plan-restore.ts';
import { prepareDataStep } from '../../lambdas/handlers/prepare-data.ts';
import { releaseControlPlaneStep } from '../../lambdas/handlers/release-control-plane.ts';
import { reportRestoreStep } from '../../lambdas/handlers/report-restore.ts';
import { startControlPlaneStep } from '../../lambdas/handlers/start-control-plane.ts';
import { startDatastoreStep } from '../../lambdas/handlers/start-datastore.ts';
import { stopDatastoreStep } from '../../lambdas/handlers/stop-datastore.ts';
import { swapDataStep } from '../../lambdas/handlers/swap-data.ts';
import { takeSafetyPointStep } from '../../lambdas/handlers/take-safety-point.ts';
import { withOperationLock, type AttendedLock } from '../../lambdas/operations/lock.ts';
import type { STEPS } from '../../statemachines/restore-control-plane/steps.ts';
import { loadMachine, runMachine, type StepsOf } from './machine.ts';
import type { Ports } from './ports.ts';

/** The steps of a restore by the names that its machine gives them. */
export const RESTORE_STEPS = {
  PlanRestore: planRestoreStep,
  LockControlPlane: lockControlPlaneStep,
  MarkControlPlane: markControlPlaneStep,
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
} satisfies StepsOf<typeof STEPS>;

/** What of a restore's machine a command follows. */
export interface RestoreRun {
  readonly onState?: (state: string) => void;
}

/**
 * Runs the machine on a restore to its end and gives the result; one that has ended gives what it came to. Throws what made the
 * machine fail before there was a result, or the signal's reason.
 */
export async function runRestoreMachine(
  { operation }: RestorePlan,
  input: StartRequest,
  ports: Ports,
  { onState }: RestoreRun = {},
): Promise<RestoreResult> {
  const readResult = () => ports.journal.read(operation, 'result', restoreResultSchema);
  try {
    if ((await readResult()) === undefined) {
      await runMachine<Ports>(
        loadMachine('restore-control-plane'),
        input,
        RESTORE_STEPS,
        (_, signal) => ({ ...ports, signal: AbortSignal.any([ports.signal, signal]) }),
        {
          signal: ports.signal,
          onEvent(event) {
            if (event.type === 'StateEntered') onState?.(event.state.name);
          },
        },
      );
    }
  } catch (error) {
    if (ports.signal.aborted || (await readResult()) === undefined) throw error;
  }
  const result = await readResult();
  if (result === undefined) throw new Error(`restore ${operation} has ended without a result`);
  return result;
}

/** Works on an operation as the only process that does. LockedError with the name of the one that is at work. */
export async function asOnlyWorker<T>(
  operation: string,
  ports: Ports,
  work: (lock: AttendedLock) => Promise<T>,
): Promise<T> {
  const worker = `process ${process.pid} on ${hostname()} since ${ports.clock().toISOString()}`;
  return await withOperationLock({ operation, worker }, ports, work);
}
