import * as z from 'zod';
import { reportStatus, statusReportSchema } from '../policy-runs/report-status.ts';
import { statusFunction } from '../runtime/status-function.ts';
import { defineStep } from '../step.ts';

/** Judges every policy and writes the figures that the alarms look at. */
export const reportStatusStep = defineStep(z.unknown(), statusReportSchema, reportStatus);

export const handler = statusFunction(reportStatusStep);
