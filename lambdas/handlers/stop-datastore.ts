import { directedRestoreSchema, attemptedSchema } from '../domain/restore.ts';
import { stopDatastore } from '../restores/phases/datastore.ts';
import { clusterFunction } from '../runtime/cluster-function.ts';
import { defineStep } from '../step.ts';

/** Brings the datastores to zero. */
export const stopDatastoreStep = defineStep(directedRestoreSchema, attemptedSchema, stopDatastore);

export const handler = clusterFunction(stopDatastoreStep, 'restore');
