import { partInputSchema, planSchema } from '../domain/policy-run.ts';
import { planRun } from '../policy-runs/plan.ts';
import { clusterFunction } from '../runtime/cluster-function.ts';
import { defineStep } from '../step.ts';

/** Lists the control planes that a policy selects, once a run, and gives the pages of one part. */
export const planRunStep = defineStep(partInputSchema, planSchema, planRun);

export const handler = clusterFunction(planRunStep, 'backup');
