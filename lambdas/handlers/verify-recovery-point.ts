import { takenItemSchema, verifiedSchema } from '../domain/policy-run.ts';
import { verifyScheduled } from '../policy-runs/back-up.ts';
import { defineStep } from '../step.ts';

/** Reads the recovery point back and announces the verdict, once a run. */
export const verifyRecoveryPointStep = defineStep(takenItemSchema, verifiedSchema, verifyScheduled);
