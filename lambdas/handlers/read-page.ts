import { pageInputSchema, pageSchema } from '../domain/policy-run.ts';
import { readPage } from '../policy-runs/stored-plan.ts';
import { storeFunction } from '../runtime/store-function.ts';
import { defineStep } from '../step.ts';

/** Gives one page of a run's plan. */
export const readPageStep = defineStep(pageInputSchema, pageSchema, readPage);

export const handler = storeFunction(readPageStep);
