import { itemSchema, lockedSchema } from '../domain/policy-run.ts';
import { lockControlPlane } from '../policy-runs/lock.ts';
import { storeFunction } from '../runtime/store-function.ts';
import { defineStep } from '../step.ts';

/** Takes the control plane's lock; delivered twice, it extends it. */
export const lockControlPlaneStep = defineStep(itemSchema, lockedSchema, lockControlPlane);

export const handler = storeFunction(lockControlPlaneStep);
