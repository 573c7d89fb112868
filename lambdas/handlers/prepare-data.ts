import { directedRestoreSchema, attemptedSchema } from '../domain/restore.ts';
import { prepareData } from '../restores/phases/prepare.ts';
import { clusterFunction } from '../runtime/cluster-function.ts';
import { defineStep } from '../step.ts';

/** Prepares the recovery point's data beside the live ones. */
export const prepareDataStep = defineStep(directedRestoreSchema, attemptedSchema, prepareData);

export const handler = clusterFunction(prepareDataStep, 'restore');
