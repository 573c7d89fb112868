import { takenItemSchema, verifiedSchema } from '../domain/policy-run.ts';
import { verifyScheduled } from '../policy-runs/back-up.ts';
import { clusterFunction } from '../runtime/cluster-function.ts';
import { defineStep } from '../step.ts';

/** Reads the recovery point back and announces the verdict, once a run. */
export const verifyRecoveryPointStep = defineStep(takenItemSchema, verifiedSchema, verifyScheduled);

export const handler = clusterFunction(verifyRecoveryPointStep, 'backup');
