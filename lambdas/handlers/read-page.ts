import { pageInputSchema, pageSchema } from '../domain/policy-run.ts';
import { readPage } from '../policy-runs/plan.ts';
import { defineStep } from '../step.ts';

/** Gives one page of a run's plan. */
export const readPageStep = defineStep(pageInputSchema, pageSchema, readPage);
