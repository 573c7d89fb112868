import { plannedRestoreSchema, requestOf, startedRestoreSchema } from '../domain/restore.ts';
import type { ClusterRunPorts } from '../operations/ports.ts';
import { planRestore } from '../restores/plan.ts';
import { clusterFunction } from '../runtime/cluster-function.ts';
import { defineStep } from '../step.ts';

/** Finds out whether a restore may be, and what it will change; or how one is abandoned; it touches nothing. */
export const planRestoreStep = defineStep(
  startedRestoreSchema,
  plannedRestoreSchema,
  (started, ports: ClusterRunPorts) => planRestore(requestOf(started), ports),
);

export const handler = clusterFunction(planRestoreStep, 'restore');
