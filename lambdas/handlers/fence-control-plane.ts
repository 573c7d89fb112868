import { directedRestoreSchema, attemptedSchema } from '../domain/restore.ts';
import { fenceControlPlane } from '../restores/phases/fence.ts';
import { clusterFunction } from '../runtime/cluster-function.ts';
import { defineStep } from '../step.ts';

/** Pauses the platform's reconcilers and ends the API servers. */
export const fenceControlPlaneStep = defineStep(directedRestoreSchema, attemptedSchema, fenceControlPlane);

export const handler = clusterFunction(fenceControlPlaneStep, 'restore');
