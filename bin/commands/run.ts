import {
  describeCounts,
  describeStatus,
  parseSlot,
  runId,
  runResultSchema,
  type RunResult,
} from '../../lambdas/domain/policy-run.ts';
import { applyRetentionStep } from '../../lambdas/handlers/apply-retention.ts';
import { lockControlPlaneStep } from '../../lambdas/handlers/lock-control-plane.ts';
import { planRunStep } from '../../lambdas/handlers/plan-run.ts';
import { readPageStep } from '../../lambdas/handlers/read-page.ts';
import { recordPageStep } from '../../lambdas/handlers/record-page.ts';
import { releaseControlPlaneStep } from '../../lambdas/handlers/release-control-plane.ts';
import { reportRunStep } from '../../lambdas/handlers/report-run.ts';
import { startNextPartStep } from '../../lambdas/handlers/start-next-part.ts';
import { takeSnapshotStep } from '../../lambdas/handlers/take-snapshot.ts';
import { verifyRecoveryPointStep } from '../../lambdas/handlers/verify-recovery-point.ts';
import { policyNamed } from '../../lambdas/domain/configuration.ts';
import type { STEPS } from '../../statemachines/back-up-fleet/steps.ts';
import { loadMachine, type StepsOf } from '../local/machine.ts';
import { runParts } from '../local/parts.ts';
import type { Ports } from '../local/ports.ts';
import { EXIT, exitCodeForName } from '../output/exit-codes.ts';
import { formatTable } from '../output/format.ts';
import type { CommandResult } from './result.ts';

const RUN_STEPS = {
  PlanRun: planRunStep,
  ReadPage: readPageStep,
  LockControlPlane: lockControlPlaneStep,
  TakeSnapshot: takeSnapshotStep,
  VerifyRecoveryPoint: verifyRecoveryPointStep,
  ApplyRetention: applyRetentionStep,
  ReleaseControlPlane: releaseControlPlaneStep,
  RecordPage: recordPageStep,
  StartNextPart: startNextPartStep,
  ReportRun: reportRunStep,
} satisfies StepsOf<typeof STEPS>;

export interface RunOptions {
  readonly slot?: string;
}

/**
 * `lifeboat run <policy>`: what the schedule would start, by the same machine. The same slot again adds nothing to what is verified,
 * tries the rest, and tells how that came out.
 */
export async function runPolicy(ports: Ports, policy: string, options: RunOptions): Promise<CommandResult> {
  policyNamed(ports.configuration, policy);
  const now = ports.clock();
  const input = { policy, slot: parseSlot(options.slot ?? now.toISOString(), now) };
  const readResult = () => ports.journal.read(runId(input), 'result', runResultSchema);
  try {
    const first = { name: runId(input), input };
    await runParts<Ports>(loadMachine('back-up-fleet'), first, RUN_STEPS, (event, signal) =>
      forControlPlane({ ...ports, signal: AbortSignal.any([ports.signal, signal]) }, event),
    );
  } catch (error) {
    // A result of before must not be told for an attempt that has none.
    if (!(error instanceof Error && error.name === 'PolicyRunIncomplete')) throw error;
  }
  const result = await readResult();
  if (result === undefined) throw new Error(`run ${runId(input)} has ended without a result`);
  return { json: result, text: describe(result), exitCode: exitCodeOf(result) };
}

/** As for a backup that fails for the same reason; a run that has nothing to do is a policy to look at. */
function exitCodeOf({ status, outcomes, unreachable }: RunResult): number {
  const errors = [
    ...outcomes.flatMap(({ outcome, error }) => (outcome === 'verified' ? [] : [error ?? ''])),
    ...unreachable.map(({ error }) => error ?? ''),
  ];
  if (errors.length === 0 && outcomes.length === 0) return EXIT.refused;
  return Math.max(status === 'succeeded' ? EXIT.done : EXIT.failed, ...errors.map(exitCodeForName));
}

/** Several control planes are worked on at once: each line says whose it is, and none tells of bytes. */
function forControlPlane(ports: Ports, event: unknown): Ports {
  const { controlPlane } = event as { controlPlane?: string };
  if (controlPlane === undefined) return ports;
  return {
    ...ports,
    report: (progress) => {
      if (progress.kind !== 'phase-finished') return;
      ports.report({ kind: 'note', text: `${controlPlane}: ${progress.phase}, ${progress.outcome}` });
    },
  };
}

function describe({ runId: id, status, counts, outcomes, unreachable }: RunResult): string {
  const rows = outcomes.map(({ controlPlane, outcome, point, step, reason }) => [
    controlPlane,
    outcome,
    point ?? '-',
    reason === null ? '' : `${step ?? ''}: ${reason}`,
  ]);
  return [
    ...(rows.length > 0 ? [formatTable(['CONTROL PLANE', 'OUTCOME', 'POINT', 'REASON'], rows)] : []),
    ...(rows.length === 0 && unreachable.length === 0 ? ['the policy selects no control plane'] : []),
    ...unreachable.map(({ managementCluster, reason }) => `${managementCluster} was not asked: ${reason}`),
    `run ${id} ${describeStatus({ status, counts })}: ${describeCounts(counts)}`,
  ].join('\n');
}
