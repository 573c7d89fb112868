import { restoreEndSchema, restoreResultSchema } from '../domain/restore.ts';
import { reportRestore } from '../restores/report.ts';
import { storeFunction } from '../runtime/store-function.ts';
import { defineStep } from '../step.ts';

/** Keeps the result of a restore. */
export const reportRestoreStep = defineStep(restoreEndSchema, restoreResultSchema, reportRestore);

export const handler = storeFunction(reportRestoreStep, 'restore');
