import { lockedItemSchema, releasedSchema } from '../domain/policy-run.ts';
import { releaseControlPlane } from '../policy-runs/lock.ts';
import { storeFunction } from '../runtime/store-function.ts';
import { defineStep } from '../step.ts';

/** Gives the control plane's lock back; delivered twice, it does nothing. */
export const releaseControlPlaneStep = defineStep(lockedItemSchema, releasedSchema, releaseControlPlane);

export const handler = storeFunction(releaseControlPlaneStep);
