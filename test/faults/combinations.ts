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
  'killed after, abandoned',
  'killed after, a day later',
  // The step's pods wait for an image that is nowhere, and stand there when the way back begins.
  'pods that can not begin',
  'another store at work',
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

/** After which a restore is abandoned at once, or goes on when its pause is long over and the platform runs again. */
export const LATE: readonly Fault[] = ['killed after, abandoned', 'killed after, a day later'];
const LEFT = [
  'PrepareData',
  'FenceControlPlane',
  'TakeSafetyPoint',
  'StopDatastore',
  'SwapData',
  'StartDatastore',
  'StartControlPlane',
];

/** The only steps, all on the way there, of faults that say nothing at others. */
const ONLY: Partial<Record<Fault, readonly string[]>> = {
  'killed after, abandoned': LEFT,
  'killed after, a day later': LEFT,
  'pods that can not begin': ['PrepareData', 'SwapData'],
  'another store at work': ['MarkControlPlane'],
};

/** Every fault at every step where it says something. */
export const COMBINATIONS: readonly Combination[] = FAULTS.flatMap((fault) => [
  ...(ONLY[fault] ?? FORWARD).map((step) => ({ step, direction: 'forward' as const, fault })),
  ...(ONLY[fault] === undefined ? BACK : []).map((step) => ({ step, direction: 'back' as const, fault })),
]);

/** Faults after which the machine does not ask the step again, unless it asks whatever the error was. */
const FINAL: readonly Fault[] = ['final error before', 'final error after', 'timeout', 'pods that can not begin'];

/** How the restore of a combination must end; a process that was killed is resumed. */
export function expectedEnding({ step, direction, fault }: Combination): Ending {
  // Killed before the way back is begun, nothing tells the resumed restore of it.
  if (direction === 'back') {
    return step === 'FenceControlPlane' && fault === 'killed before' ? 'restored' : 'rolled-back';
  }
  if (fault === 'killed after, abandoned') return 'abandoned';
  // Nothing was touched yet, so it goes on; behind the fence it is refused and then abandoned.
  if (fault === 'killed after, a day later') return step === 'PrepareData' ? 'restored' : 'abandoned';
  if (fault === 'another store at work') return 'not-begun';
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

/** Whether the control plane has the data of the recovery point at the end. */
export function endsRestored({ step, fault }: Combination, ending: Ending): boolean {
  if (ending !== 'abandoned') return ending === 'restored';
  // Served already, or the platform has started what the exchange had put in place.
  const served = ['StartControlPlane'];
  const exchanged = ['SwapData', 'StartDatastore', ...served];
  return (fault === 'killed after, a day later' ? exchanged : served).includes(step);
}

/** Whether somebody has written to the control plane between the kill and the end. */
export function isWrittenMeanwhile({ step, fault }: Combination): boolean {
  return fault === 'killed after, a day later' && step !== 'PrepareData';
}

/** Whether data stay aside on the volumes: somebody may have written to them. */
export function leavesDataAside(combination: Combination): boolean {
  const { step, direction, fault } = combination;
  if (isWrittenMeanwhile(combination)) return step === 'SwapData' || step === 'StartDatastore';
  const isServed = step === 'StartControlPlane' && direction === 'forward';
  return isServed && (fault === 'final error after' || fault === 'timeout');
}

export function describeCombination({ step, direction, fault }: Combination): string {
  return `${step}${direction === 'back' ? ' on the way back' : ''}: ${fault}`;
}
