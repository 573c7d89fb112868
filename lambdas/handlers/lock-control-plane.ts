import { lockedSchema, lockRequestSchema } from '../domain/operation.ts';
import { lockControlPlane } from '../operations/lock.ts';
import { storeFunction } from '../runtime/store-function.ts';
import { defineStep } from '../step.ts';

/** Takes the control plane's lock; delivered twice, it extends it. */
export const lockControlPlaneStep = defineStep(lockRequestSchema, lockedSchema, lockControlPlane);

export const handler = storeFunction(lockControlPlaneStep);
