import { arrivalSchema, objectCreatedSchema } from '../domain/stored-object-event.ts';
import { verifyArrived } from '../recovery-points/verify-arrived.ts';
import { clusterFunction } from '../runtime/cluster-function.ts';
import { defineStep } from '../step.ts';

/** Verifies a recovery point when S3 tells that its manifest was written. */
export const verifyArrivedPointStep = defineStep(objectCreatedSchema, arrivalSchema, verifyArrived);

export const handler = clusterFunction(verifyArrivedPointStep, 'backup');
