import type { Steps } from '../description/step.ts';

/** The steps of a policy's run. From here the machine has its Tasks, CDK its functions, and the command line its steps. */
export const STEPS = {
  'plan-run': { timeoutSeconds: 900 },
  'read-page': { timeoutSeconds: 60 },
  'lock-control-plane': { timeoutSeconds: 60 },
  'take-snapshot': { timeoutSeconds: 900 },
  'verify-recovery-point': { timeoutSeconds: 900 },
  'apply-retention': { timeoutSeconds: 900, goesOn: true },
  'release-control-plane': { timeoutSeconds: 60 },
  'record-page': { timeoutSeconds: 60 },
  'start-next-part': { timeoutSeconds: 60 },
  'report-run': { timeoutSeconds: 300 },
} as const satisfies Steps;
