import { directedRestoreSchema, convergedSchema } from '../domain/restore.ts';
import { startControlPlane } from '../restores/control-plane.ts';
import { clusterFunction } from '../runtime/cluster-function.ts';
import { defineStep } from '../step.ts';

/** Starts the API servers and compares what they serve from. */
export const startControlPlaneStep = defineStep(directedRestoreSchema, convergedSchema, startControlPlane);

export const handler = clusterFunction(startControlPlaneStep, 'restore');
