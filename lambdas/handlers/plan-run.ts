import { runInputSchema, planSchema } from '../domain/policy-run.ts';
import { planRun } from '../policy-runs/plan.ts';
import { defineStep } from '../step.ts';

/** Lists the control planes that a policy selects, once a run. */
export const planRunStep = defineStep(runInputSchema, planSchema, planRun);
