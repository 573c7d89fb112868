import * as z from 'zod';
import { CorruptSnapshotError } from '../domain/errors.ts';
import { Journal } from '../store/journal.ts';
import type { ObjectStore } from '../store/object-store.ts';

/** Runs of policies have plans of another kind. */
const planKindSchema = z.looseObject({ kind: z.string().optional() });

/** A restore that has left something in the store. */
export interface RecordedRestore {
  readonly operation: string;
  readonly journal: Journal;
  /** By a version of Lifeboat that kept it where functions of backups may write: it can be shown, but not go on. */
  readonly isOfFormerVersion: boolean;
}

/** Every restore of the store, in order of names. What can't be read among runs of policies is taken for one of these. */
export async function recordedRestores(store: ObjectStore): Promise<RecordedRestore[]> {
  const journal = new Journal(store, 'restore');
  const operations = await journal.operations();
  const found: RecordedRestore[] = operations.map((operation) => ({ operation, journal, isOfFormerVersion: false }));
  for (const operation of await new Journal(store, 'backup').operations()) {
    const former = operations.includes(operation)
      ? undefined
      : await findFormer(operation, store).catch(passOverUnreadable);
    if (former !== undefined) found.push(former);
  }
  return found.sort((a, b) => (a.operation < b.operation ? -1 : 1));
}

/** undefined when the store knows no restore of this name. */
export async function findRecordedRestore(operation: string, store: ObjectStore): Promise<RecordedRestore | undefined> {
  const journal = new Journal(store, 'restore');
  if (await journal.has(operation, 'plan')) return { operation, journal, isOfFormerVersion: false };
  return await findFormer(operation, store);
}

/** For a `catch`: undefined for a document that can't be read. */
export function passOverUnreadable(error: unknown): undefined {
  if (error instanceof CorruptSnapshotError) return undefined;
  throw error;
}

async function findFormer(operation: string, store: ObjectStore): Promise<RecordedRestore | undefined> {
  const journal = new Journal(store, 'backup');
  const plan = await journal.read(operation, 'plan', planKindSchema);
  return plan?.kind === 'restore' ? { operation, journal, isOfFormerVersion: true } : undefined;
}
