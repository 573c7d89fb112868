import type { Step, Steps } from '../description/step.ts';

/**
 * The steps of a restore. From here the machine has its Tasks, CDK its functions, the command line its steps, the journal its
 * names, and the result its phases. The machine's own time is above the longest way through all limits
 * (test/workflow/time-limits.test.ts).
 */
export const STEPS = {
  'plan-restore': { timeoutSeconds: 900 },
  // One lock a control plane, whatever the operation: the same functions take it and give it back.
  'lock-control-plane': { timeoutSeconds: 60, sharedWith: 'back-up-fleet' },
  'mark-control-plane': { timeoutSeconds: 120 },
  // Each pod has ten minutes to begin.
  'prepare-data': { timeoutSeconds: 900, limitSeconds: 3600, isTimed: true },
  'fence-control-plane': { timeoutSeconds: 120, limitSeconds: 300, isTimed: true },
  'take-safety-point': { timeoutSeconds: 900, isTimed: true },
  'stop-datastore': { timeoutSeconds: 120, limitSeconds: 300, isTimed: true },
  'swap-data': { timeoutSeconds: 120, limitSeconds: 300, isTimed: true },
  'start-datastore': { timeoutSeconds: 300, limitSeconds: 900, isTimed: true },
  'start-control-plane': { timeoutSeconds: 300, limitSeconds: 900, isTimed: true },
  'finish-restore': { timeoutSeconds: 120, limitSeconds: 300, isTimed: true },
  'release-control-plane': { timeoutSeconds: 60, sharedWith: 'back-up-fleet' },
  'report-restore': { timeoutSeconds: 60 },
} as const satisfies Steps;

export type RestoreStep = keyof typeof STEPS;

/** The steps that are asked again until they are done. */
export type LimitedStep = {
  [Name in RestoreStep]: (typeof STEPS)[Name] extends { readonly limitSeconds: number } ? Name : never;
}[RestoreStep];

/** The same in their order. */
export const LIMITED: readonly RestoreStep[] = (Object.entries(STEPS) as [RestoreStep, Step][]).flatMap(
  ([name, { limitSeconds }]) => (limitSeconds === undefined ? [] : [name]),
);

/** Parts of a step that are waited for by themselves, within its calls: limited, told and timed as a step is. */
export const PARTS = { 'pause-control-plane': { limitSeconds: 120 } } as const;

/** What is asked again until it is done. */
export type Awaited = LimitedStep | keyof typeof PARTS;

/** Of what a restore records the times, in its order; from the fence to the last but one the API is away. */
export const TIMED = (Object.entries(STEPS) as [RestoreStep, Step][]).flatMap(([name, { isTimed }]) =>
  name === 'fence-control-plane' ? ['pause-control-plane' as const, name] : isTimed === true ? [name] : [],
);
