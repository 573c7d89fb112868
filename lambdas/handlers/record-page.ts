import { pageOutcomesSchema, countsSchema } from '../domain/policy-run.ts';
import { recordPage } from '../policy-runs/report.ts';
import { storeFunction } from '../runtime/store-function.ts';
import { defineStep } from '../step.ts';

/** Keeps what became of the control planes of a page, once. */
export const recordPageStep = defineStep(pageOutcomesSchema, countsSchema, recordPage);

export const handler = storeFunction(recordPageStep);
