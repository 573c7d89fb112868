import { directedRestoreSchema, attemptedSchema } from '../domain/restore.ts';
import { startControlPlane } from '../restores/phases/control-plane.ts';
import { clusterFunction } from '../runtime/cluster-function.ts';
import { defineStep } from '../step.ts';

/** Starts the API servers and compares what they serve from. */
export const startControlPlaneStep = defineStep(directedRestoreSchema, attemptedSchema, startControlPlane);

export const handler = clusterFunction(startControlPlaneStep, 'restore');
