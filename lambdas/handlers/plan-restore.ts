import { plannedRestoreSchema, startRequestSchema } from '../domain/restore.ts';
import { planRestore } from '../restores/plan.ts';
import { clusterFunction } from '../runtime/cluster-function.ts';
import { defineStep } from '../step.ts';

/** Finds out whether a restore may be, and what it will change; or how one is abandoned; it touches nothing. */
export const planRestoreStep = defineStep(startRequestSchema, plannedRestoreSchema, planRestore);

export const handler = clusterFunction(planRestoreStep, 'restore');
