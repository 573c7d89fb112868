import { runInputSchema } from '../domain/policy-run.ts';
import { startedSchema, startPolicyRun } from '../policy-runs/start.ts';
import { startFunction } from '../runtime/start-function.ts';
import { defineStep } from '../step.ts';

/** Starts the run of a policy when its schedule fires. */
export const startPolicyRunStep = defineStep(runInputSchema, startedSchema, startPolicyRun);

export const handler = startFunction(startPolicyRunStep);
