import { releasedSchema } from '../domain/operation.ts';
import { lockedRestoreSchema } from '../domain/restore.ts';
import { markRestore } from '../restores/open-restore.ts';
import { clusterFunction } from '../runtime/cluster-function.ts';
import { defineStep } from '../step.ts';

/** Marks the control plane in its management cluster; delivered twice, it extends the mark. */
export const markControlPlaneStep = defineStep(lockedRestoreSchema, releasedSchema, markRestore);

export const handler = clusterFunction(markControlPlaneStep, 'restore');
