import type { RestoreResult } from '../../lambdas/domain/restore.ts';

/** What happens to one delivery of a step, or to the process that runs it. */
export const FAULTS = [
  'passing error before',
  'passing error after',
  'final error before',
  'final error after',
  'timeout',
  'duplicate delivery',
  'killed before',
  'killed after',
] as const;
export type Fault = (typeof FAULTS)[number];

/** A fault at a step, on the way there or on the way back. */
export interface Combination {
  readonly step: string;
  readonly direction: 'forward' | 'back';
  readonly fault: Fault;
}

/** How a restore ends: as its result says, or before it has one. */
export type Ending = RestoreResult['outcome'] | 'refused';

const FORWARD = [
  'PlanRestore',
  'LockControlPlane',
  'MarkControlPlane',
  'PrepareData',
  'FenceControlPlane',
  'TakeSafetyPoint',
  'StopDatastore',
  'SwapData',
  'StartDatastore',
  'StartControlPlane',
  'FinishRestore',
  'ReleaseControlPlane',
  'ReportRestore',
];
const BACK = ['FenceControlPlane', 'StopDatastore', 'SwapData', 'StartDatastore', 'StartControlPlane', 'FinishRestore'];

/** Every fault at every step. */
export const COMBINATIONS: readonly Combination[] = [
  ...FORWARD.flatMap((step) => FAULTS.map((fault) => ({ step, direction: 'forward' as const, fault }))),
  ...BACK.flatMap((step) => FAULTS.map((fault) => ({ step, direction: 'back' as const, fault }))),
];

/** Faults after which the machine does not ask the step again, unless it asks whatever the error was. */
const FINAL: readonly Fault[] = ['final error before', 'final error after', 'timeout'];

/** How the restore of a combination must end; a process that was killed is resumed. */
export function expectedEnding({ step, direction, fault }: Combination): Ending {
  // Killed before the way back is begun, nothing tells the resumed restore of it.
  if (direction === 'back') {
    return step === 'FenceControlPlane' && fault === 'killed before' ? 'restored' : 'rolled-back';
  }
  if (!FINAL.includes(fault)) return 'restored';
  switch (step) {
    case 'PlanRestore':
      return 'refused';
    case 'PrepareData':
      return 'not-begun';
    case 'LockControlPlane':
    case 'MarkControlPlane':
    case 'FinishRestore':
    case 'ReleaseControlPlane':
    case 'ReportRestore':
      return 'restored';
    default:
      return 'rolled-back';
  }
}

export function describeCombination({ step, direction, fault }: Combination): string {
  return `${step}${direction === 'back' ? ' on the way back' : ''}: ${fault}`;
}
