import { lockedItemSchema, takenSchema } from '../domain/policy-run.ts';
import { takeScheduled } from '../policy-runs/back-up.ts';
import { clusterFunction } from '../runtime/cluster-function.ts';
import { defineStep } from '../step.ts';

/** Takes the recovery point of a control plane, once a run. */
export const takeSnapshotStep = defineStep(lockedItemSchema, takenSchema, takeScheduled);

export const handler = clusterFunction(takeSnapshotStep, 'backup');
