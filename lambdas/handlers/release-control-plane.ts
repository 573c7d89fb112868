import { heldSchema, releasedSchema } from '../domain/operation.ts';
import { releaseControlPlane } from '../operations/lock.ts';
import { storeFunction } from '../runtime/store-function.ts';
import { defineStep } from '../step.ts';

/** Gives the control plane's lock back; delivered twice, it does nothing. */
export const releaseControlPlaneStep = defineStep(heldSchema, releasedSchema, releaseControlPlane);

export const handler = storeFunction(releaseControlPlaneStep);
