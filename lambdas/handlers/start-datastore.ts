import { directedRestoreSchema, attemptedSchema } from '../domain/restore.ts';
import { startDatastore } from '../restores/phases/datastore.ts';
import { clusterFunction } from '../runtime/cluster-function.ts';
import { defineStep } from '../step.ts';

/** Starts the datastores and compares their members. */
export const startDatastoreStep = defineStep(directedRestoreSchema, attemptedSchema, startDatastore);

export const handler = clusterFunction(startDatastoreStep, 'restore');
