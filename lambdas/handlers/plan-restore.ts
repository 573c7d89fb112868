import { restoreRequestSchema, restoreSchema } from '../domain/restore.ts';
import { planRestore } from '../restores/plan.ts';
import { clusterFunction } from '../runtime/cluster-function.ts';
import { defineStep } from '../step.ts';

/** Finds out whether a restore may be, and what it will change; it touches nothing. */
export const planRestoreStep = defineStep(restoreRequestSchema, restoreSchema, planRestore);

export const handler = clusterFunction(planRestoreStep, 'restore');
