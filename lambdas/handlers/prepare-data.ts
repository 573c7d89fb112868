import { directedRestoreSchema, attemptedSchema } from '../domain/restore.ts';
import { prepareData } from '../restores/strategies/swap-volumes/prepare.ts';
import { clusterFunction } from '../runtime/cluster-function.ts';
import { defineStep } from '../step.ts';

/** Restores the snapshot beside the live data of every member. */
export const prepareDataStep = defineStep(directedRestoreSchema, attemptedSchema, prepareData);

export const handler = clusterFunction(prepareDataStep, 'restore');
