import * as z from 'zod';
import type { PARTS, RestoreStep } from '../../statemachines/restore-control-plane/steps.ts';
import { sealSchema } from '../domain/datastore.ts';
import { NotFoundError, PlanChangedError } from '../domain/errors.ts';
import {
  restorePlanSchema,
  safetyPointSchema,
  WAYS,
  type Direction,
  type PlannedRestore,
  type Restore,
  type RestorePlan,
  type SafetyPoint,
} from '../domain/restore.ts';
import type { Journal, SealedDocument } from '../store/journal.ts';

/** What the steps of a restore leave for each other in its journal; here, so that the report needs nothing of clusters. */

export interface RecordPorts {
  readonly journal: Journal;
}

const fencedSchema = z.strictObject({
  /** When the API servers were told to end. */
  at: z.iso.datetime(),
  /** Each datastore as it stood when nobody could write to it any more. */
  datastores: z.record(z.string(), sealSchema),
});
export type Fenced = z.infer<typeof fencedSchema>;

const fenceBegunSchema = z.strictObject({
  at: z.iso.datetime(),
  /** Of the control plane's lock at that time: as long as it is the same, nobody else has had the lock. */
  token: z.int().positive(),
  /** Of the mark in the management cluster, likewise; absent where the control plane's object was gone. */
  nonce: z.uuid().optional(),
});

/** From when on somebody else may have written, and why that is thought. */
const breachSchema = z.strictObject({ at: z.iso.datetime(), reason: z.string() });

const crashedSchema = z.array(z.string());
const idsSchema = z.array(z.string());

const abandonedWaySchema = z.enum(WAYS).exclude(['forward']);
export type AbandonedWay = z.infer<typeof abandonedWaySchema>;

const atSchema = z.strictObject({ at: z.iso.datetime() });

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

/** A step by its direction, as the journal and the phases of the result name it. */
type Directed<Step extends string> = Step | `${Step}-back`;

/** What notes in the journal when it was begun and done. */
type Journaled = RestoreStep | keyof typeof PARTS;

/** Name of a step in the journal. */
export function stepName<Step extends string>(step: Step, direction: Direction): Directed<Step> {
  return direction === 'forward' ? step : `${step}-back`;
}

/** Since when a step is worked at without a break, and when it was called last. */
export const waitingSchema = z.strictObject({ since: z.iso.datetime(), lastAt: z.iso.datetime() });

/** The document that a step leaves in the journal when it is begun. */
export function waitingName(name: Directed<Journaled>): string {
  return `steps/${name}-waiting`;
}

/** The document that a step leaves in the journal when it is done. */
export function doneName(name: Directed<Journaled>): string {
  return `steps/${name}`;
}

/** The plan of a restore as it lies in the journal; undefined when there is none. */
export async function findRestorePlan(
  operation: string,
  { journal }: RecordPorts,
): Promise<SealedDocument<RestorePlan> | undefined> {
  return await journal.readSealed(operation, 'plan', restorePlanSchema);
}

/** The plan that a restore was begun with. NotFoundError when there is none, PlanChangedError when it is another one now. */
export async function readRestorePlan(
  { operation, planSha256 }: Pick<Restore, 'operation' | 'planSha256'>,
  ports: RecordPorts,
): Promise<RestorePlan> {
  const found = await findRestorePlan(operation, ports);
  if (found === undefined) throw new NotFoundError(`restore ${operation} has no plan`);
  if (found.sha256 === planSha256) return found.document;
  throw new PlanChangedError(
    `the plan of restore ${operation} is not the one that it was begun with: ` +
      `${ports.journal.key(operation, 'plan')} has the SHA-256 ${found.sha256} instead of ${planSha256}`,
    {
      remedy:
        'Find out who has written to the store, put the former version of the object back, and let the restore go on. Nothing is done by a plan that was changed.',
    },
  );
}

export async function recordFenced(operation: string, fenced: Fenced, { journal }: RecordPorts): Promise<void> {
  await journal.record(operation, 'fenced', fencedSchema, fenced);
}

/** What the fence has found; undefined while it does not stand. */
export async function readFenced(operation: string, { journal }: RecordPorts): Promise<Fenced | undefined> {
  return await journal.read(operation, 'fenced', fencedSchema);
}

export async function recordFenceBegun(
  operation: string,
  begun: z.infer<typeof fenceBegunSchema>,
  { journal }: RecordPorts,
): Promise<void> {
  await journal.record(operation, 'fence-begun', fenceBegunSchema, begun);
}

/** undefined while the reconcilers were not paused for the fence yet. */
export async function readFenceBegun(
  operation: string,
  { journal }: RecordPorts,
): Promise<z.infer<typeof fenceBegunSchema> | undefined> {
  return await journal.read(operation, 'fence-begun', fenceBegunSchema);
}

/** Whether the fence was begun, by whichever version of Lifeboat. */
export async function isFenceBegun(operation: string, { journal }: RecordPorts): Promise<boolean> {
  return await journal.has(operation, waitingName('fence-control-plane'));
}

/** Whether an earlier run had begun the fence. */
export async function stageOf(operation: string, ports: RecordPorts): Promise<PlannedRestore['stage']> {
  return (await isFenceBegun(operation, ports)) ? 'fenced' : 'unfenced';
}

/** Before anything is done on the way back: from then on nothing is changed on the way forward. */
export async function recordWayBack(operation: string, at: Date, { journal }: RecordPorts): Promise<void> {
  await journal.record(operation, 'way-back', atSchema, { at: at.toISOString() });
}

export async function isWayBackBegun(operation: string, { journal }: RecordPorts): Promise<boolean> {
  return await journal.has(operation, 'way-back');
}

/** Whether the exchange of the data was begun: from then on they may be either. */
export async function isSwapBegun(operation: string, { journal }: RecordPorts): Promise<boolean> {
  return await journal.has(operation, waitingName('swap-data'));
}

/** Whether the restore was left to its platform already, in either direction: its pause may be gone, and no data move any more. */
export async function isFinishBegun(operation: string, { journal }: RecordPorts): Promise<boolean> {
  const begun = (['finish-restore', 'finish-restore-back'] as const).map((name) =>
    journal.has(operation, waitingName(name)),
  );
  return (await Promise.all(begun)).includes(true);
}

/** Whether the data of before were put back. */
export async function isPutBack(operation: string, { journal }: RecordPorts): Promise<boolean> {
  return await journal.has(operation, doneName(stepName('swap-data', 'back')));
}

/** Whether a preparation was begun: its pods may have written on the volumes. */
export async function isPrepareBegun(operation: string, { journal }: RecordPorts): Promise<boolean> {
  return await journal.has(operation, waitingName('prepare-data'));
}

/** Whether the restored control plane was told to start: from then on its users may have written to the restored data. */
export async function isStartBegun(operation: string, { journal }: RecordPorts): Promise<boolean> {
  return await journal.has(operation, waitingName('start-control-plane'));
}

/** Whether the datastore of before was started again and compared: no data move any more. */
export async function isOldStarted(operation: string, { journal }: RecordPorts): Promise<boolean> {
  return await journal.has(operation, `steps/${stepName('start-datastore', 'back')}`);
}

/** Whether no data move any more, in neither direction: lock, mark and pause may be given back. */
export async function isExchangeOver(operation: string, ports: RecordPorts): Promise<boolean> {
  if (await isOldStarted(operation, ports)) return true;
  return (await isServed(operation, ports)) && (await isFinishBegun(operation, ports));
}

/** Whether the control plane of before was started again. */
export async function isOldServed(operation: string, { journal }: RecordPorts): Promise<boolean> {
  return await journal.has(operation, doneName(stepName('start-control-plane', 'back')));
}

/** Whether the restored control plane was up and compared. */
export async function isServed(operation: string, { journal }: RecordPorts): Promise<boolean> {
  return await journal.has(operation, doneName('start-control-plane'));
}

export async function recordBreach(
  operation: string,
  breach: z.infer<typeof breachSchema>,
  { journal }: RecordPorts,
): Promise<void> {
  await journal.record(operation, 'fence-broken', breachSchema, breach);
}

export async function readBreach(
  operation: string,
  { journal }: RecordPorts,
): Promise<z.infer<typeof breachSchema> | undefined> {
  return await journal.read(operation, 'fence-broken', breachSchema);
}

export async function recordAbandoned(operation: string, at: Date, { journal }: RecordPorts): Promise<void> {
  await journal.record(operation, 'abandoned', atSchema, { at: at.toISOString() });
}

export async function isAbandoned(operation: string, { journal }: RecordPorts): Promise<boolean> {
  return await journal.has(operation, 'abandoned');
}

/**
 * How an abandoned restore is brought to its end, as every later attempt at that goes as well; only to `leave` it may come: somebody
 * may have written meanwhile. Gives what stands.
 */
export async function recordAbandonedWay(
  operation: string,
  way: AbandonedWay,
  { journal }: RecordPorts,
): Promise<AbandonedWay> {
  return await journal.revise(operation, 'abandoned-way', abandonedWaySchema, (present) =>
    present === undefined || way === 'leave' ? way : present,
  );
}

/** undefined for one that is not abandoned. */
export async function readAbandonedWay(operation: string, { journal }: RecordPorts): Promise<AbandonedWay | undefined> {
  return await journal.read(operation, 'abandoned-way', abandonedWaySchema);
}

/** Members on whose volumes nothing of the operation is; gives what was recorded first. */
export async function recordUntouched(
  operation: string,
  members: readonly string[],
  { journal }: RecordPorts,
): Promise<readonly string[]> {
  return await journal.record(operation, 'untouched-members', z.array(z.string()), [...members]);
}

/** Ids under which a safety recovery point of the restore may lie: each is noted before it is written. */
export async function recordSafetyId(operation: string, id: string, { journal }: RecordPorts): Promise<void> {
  await journal.revise(operation, 'safety-ids', idsSchema, (present = []) => [...present, id]);
}

export async function readSafetyIds(operation: string, { journal }: RecordPorts): Promise<readonly string[]> {
  return (await journal.read(operation, 'safety-ids', idsSchema)) ?? [];
}

/** Pods of the control plane that still crashed when the restore had ended. */
export async function recordCrashed(
  operation: string,
  pods: readonly string[],
  { journal }: RecordPorts,
): Promise<void> {
  if (pods.length > 0) await journal.record(operation, 'crashed-pods', crashedSchema, [...pods]);
}

export async function readCrashed(operation: string, { journal }: RecordPorts): Promise<string[]> {
  return (await journal.read(operation, 'crashed-pods', crashedSchema)) ?? [];
}

/** undefined while the step that takes it has not ended. */
export async function readSafetyPoint(operation: string, { journal }: RecordPorts): Promise<SafetyPoint | undefined> {
  return await journal.read(operation, doneName('take-safety-point'), safetyPointSchema);
}

export async function recordApiBack(
  operation: string,
  direction: Direction,
  at: Date,
  { journal }: RecordPorts,
): Promise<void> {
  await journal.record(operation, stepName('api-back', direction), atSchema, { at: at.toISOString() });
}

/** When the API answered for good, on the way back if there was one; undefined while it does not. */
export async function readApiBack(operation: string, { journal }: RecordPorts): Promise<Date | undefined> {
  const back =
    (await journal.read(operation, stepName('api-back', 'back'), atSchema)) ??
    (await journal.read(operation, stepName('api-back', 'forward'), atSchema));
  return back === undefined ? undefined : new Date(back.at);
}
