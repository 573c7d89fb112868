import * as z from 'zod';
import { NotFoundError } from '../domain/errors.ts';
import { restorePlanSchema, safetyPointSchema, type Direction, type RestorePlan } from '../domain/restore.ts';
import type { Journal } from '../store/journal.ts';

/** What the steps of a restore leave for each other in its journal; here, so that the report needs nothing of clusters. */

export interface RecordPorts {
  readonly journal: Journal;
}

/** The steps of which a restore records the times, in their order; between the first and the last the API is away. */
export const TIMED_STEPS = [
  'prepare-data',
  'fence-control-plane',
  'take-safety-point',
  'stop-datastore',
  'swap-data',
  'start-datastore',
  'start-control-plane',
  'finish-restore',
];

const fencedSchema = z.strictObject({
  /** When the API servers were told to end. */
  at: z.iso.datetime(),
  /** Each datastore as it stood when nobody could write to it any more. */
  datastores: z.record(z.string(), z.strictObject({ revision: z.int(), hash: z.int(), compactRevision: z.int() })),
});
type Fenced = z.infer<typeof fencedSchema>;

const apiBackSchema = z.strictObject({ at: z.iso.datetime() });

/** What was found stale in a datastore, as the first look told it: a later one finds only what the first has left. */
export async function recordStale(
  operation: string,
  datastore: string,
  text: string,
  { journal }: RecordPorts,
): Promise<void> {
  await journal.record(operation, `stale-keys-${datastore}`, z.string(), text);
}

export async function readStale(operation: string, datastore: string, { journal }: RecordPorts): Promise<string[]> {
  const text = await journal.read(operation, `stale-keys-${datastore}`, z.string());
  return text === undefined ? [] : [text];
}

/** What people must know of a restored datastore; what was recorded first stands. */
export async function recordWarning(
  operation: string,
  datastore: string,
  text: string,
  { journal }: RecordPorts,
): Promise<void> {
  await journal.record(operation, `warning-${datastore}`, z.string(), text);
}

export async function readWarnings(operation: string, datastore: string, { journal }: RecordPorts): Promise<string[]> {
  const text = await journal.read(operation, `warning-${datastore}`, z.string());
  return text === undefined ? [] : [text];
}

/** Name of a step in the journal. */
export function stepName(step: string, direction: Direction): string {
  return direction === 'forward' ? step : `${step}-back`;
}

/** The plan of a restore; NotFoundError when there is none. */
export async function readRestorePlan(operation: string, { journal }: RecordPorts): Promise<RestorePlan> {
  const plan = await journal.read(operation, 'plan', restorePlanSchema);
  if (plan === undefined) throw new NotFoundError(`restore ${operation} has no plan`);
  return plan;
}

export async function recordFenced(operation: string, fenced: Fenced, { journal }: RecordPorts): Promise<void> {
  await journal.record(operation, 'fenced', fencedSchema, fenced);
}

/** What the fence has found; undefined while it does not stand. */
export async function readFenced(operation: string, { journal }: RecordPorts): Promise<Fenced | undefined> {
  return await journal.read(operation, 'fenced', fencedSchema);
}

/** undefined while the step that takes it has not ended. */
export async function readSafetyPoint(
  operation: string,
  { journal }: RecordPorts,
): Promise<z.infer<typeof safetyPointSchema> | undefined> {
  return await journal.read(operation, 'steps/take-safety-point', safetyPointSchema);
}

export async function recordApiBack(
  operation: string,
  direction: Direction,
  at: Date,
  { journal }: RecordPorts,
): Promise<void> {
  await journal.record(operation, stepName('api-back', direction), apiBackSchema, { at: at.toISOString() });
}

/** When the API answered for good, on the way back if there was one; undefined while it does not. */
export async function readApiBack(operation: string, { journal }: RecordPorts): Promise<Date | undefined> {
  const back =
    (await journal.read(operation, stepName('api-back', 'back'), apiBackSchema)) ??
    (await journal.read(operation, stepName('api-back', 'forward'), apiBackSchema));
  return back === undefined ? undefined : new Date(back.at);
}
