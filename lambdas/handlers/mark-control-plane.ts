import { releasedSchema } from '../domain/operation.ts';
import { lockedRestoreSchema } from '../domain/restore.ts';
import { markControlPlane } from '../operations/mark.ts';
import { clusterFunction } from '../runtime/cluster-function.ts';
import { defineStep } from '../step.ts';

/** Marks the control plane in its management cluster; delivered twice, it extends the mark. */
export const markControlPlaneStep = defineStep(lockedRestoreSchema, releasedSchema, markControlPlane);

export const handler = clusterFunction(markControlPlaneStep, 'restore');
