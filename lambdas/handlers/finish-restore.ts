import { directedRestoreSchema, attemptedSchema } from '../domain/restore.ts';
import { finishRestore } from '../restores/phases/finish.ts';
import { clusterFunction } from '../runtime/cluster-function.ts';
import { defineStep } from '../step.ts';

/** Takes the pause and everything of the operation away. */
export const finishRestoreStep = defineStep(directedRestoreSchema, attemptedSchema, finishRestore);

export const handler = clusterFunction(finishRestoreStep, 'restore');
