import { lockedItemSchema, retainedSchema } from '../domain/policy-run.ts';
import { retainScheduled } from '../policy-runs/retain.ts';
import { storeFunction } from '../runtime/store-function.ts';
import { defineStep } from '../step.ts';

/** Deletes the recovery points of a control plane that no rule keeps; delivered twice, it finds nothing left to delete. */
export const applyRetentionStep = defineStep(lockedItemSchema, retainedSchema, retainScheduled);

export const handler = storeFunction(applyRetentionStep);
