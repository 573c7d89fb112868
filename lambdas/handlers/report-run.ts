import { runSchema, runReportSchema } from '../domain/policy-run.ts';
import { reportRun } from '../policy-runs/report.ts';
import { publishingFunction } from '../runtime/publishing-function.ts';
import { defineStep } from '../step.ts';

/** Puts the result of a run together, keeps it once, and announces it. */
export const reportRunStep = defineStep(runSchema, runReportSchema, reportRun);

export const handler = publishingFunction(reportRunStep);
