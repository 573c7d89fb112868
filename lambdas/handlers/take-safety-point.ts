import { directedRestoreSchema, safetyPointSchema } from '../domain/restore.ts';
import { takeSafetyPoint } from '../restores/phases/safety.ts';
import { clusterFunction } from '../runtime/cluster-function.ts';
import { defineStep } from '../step.ts';

/** Takes a recovery point of what is about to be replaced, once a restore. */
export const takeSafetyPointStep = defineStep(directedRestoreSchema, safetyPointSchema, takeSafetyPoint);

export const handler = clusterFunction(takeSafetyPointStep, 'restore');
