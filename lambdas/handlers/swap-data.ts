import { directedRestoreSchema, attemptedSchema } from '../domain/restore.ts';
import { swapData } from '../restores/phases/datastore.ts';
import { clusterFunction } from '../runtime/cluster-function.ts';
import { defineStep } from '../step.ts';

/** Exchanges the data of every member, or puts the old ones back. */
export const swapDataStep = defineStep(directedRestoreSchema, attemptedSchema, swapData);

export const handler = clusterFunction(swapDataStep, 'restore');
