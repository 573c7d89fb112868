import { nextPartSchema } from '../domain/policy-run.ts';
import { startedPartSchema, startNextPart } from '../policy-runs/start.ts';
import { startFunction } from '../runtime/start-function.ts';
import { defineStep } from '../step.ts';

/** Starts the execution that goes on with the pages for which this one has no room. */
export const startNextPartStep = defineStep(nextPartSchema, startedPartSchema, startNextPart);

export const handler = startFunction(startNextPartStep);
