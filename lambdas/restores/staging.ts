import { Writable } from 'node:stream';
import * as z from 'zod';
import { ConflictError } from '../domain/errors.ts';
import type { ReportProgress } from '../domain/progress.ts';
import { stagedKey, stagingPrefix } from '../domain/staging.ts';
import { unpack, type PackedObject } from '../recovery-points/unpack.ts';
import type { Journal } from '../store/journal.ts';
import type { ObjectStore, Upload } from '../store/object-store.ts';

const DOCUMENT = 'staged';
const stagedSchema = z.strictObject({ keys: z.array(z.string()) });

interface StagingPorts {
  readonly store: ObjectStore;
  readonly signal: AbortSignal;
  readonly report: ReportProgress;
  /** Asked before the file appears: throws when it may not any more. */
  readonly checkHold?: () => Promise<void>;
}

/**
 * Puts the plain file of a snapshot where a pre-signed URL can lead, once an operation, and gives its key. Its hash is checked
 * before it appears. CorruptSnapshotError when it is not what was recorded; nothing is left of it then.
 */
export async function stageSnapshot(
  operation: string,
  datastore: string,
  object: PackedObject,
  { store, signal, report, checkHold }: StagingPorts,
): Promise<string> {
  const key = stagedKey(operation, datastore);
  if ((await store.head(key))?.sizeBytes === object.sizeBytes) return key;
  const upload = await store.beginUpload(key, { ifAbsent: true, expectedSizeBytes: object.sizeBytes });
  try {
    await unpack(store, object, intoUpload(upload), {
      signal,
      onProgress: (doneBytes, totalBytes) => {
        report({ kind: 'bytes', phase: `stage ${datastore}`, doneBytes, totalBytes });
      },
    });
    await checkHold?.();
    await upload.complete();
  } catch (error) {
    await upload.abort();
    // A second delivery was faster; what appears under this key is always the whole file.
    if (!(error instanceof ConflictError)) throw error;
  }
  return key;
}

/** Notes what an operation is going to stage, before it does: {@link removeStaged} removes that. */
export async function noteStaged(operation: string, keys: readonly string[], journal: Journal): Promise<void> {
  await journal.record(operation, DOCUMENT, stagedSchema, { keys: [...keys] });
}

/** Removes all that a restore has staged, if it has. Safe to repeat. */
export async function removeStaged(
  operation: string,
  { store, journal }: { readonly store: ObjectStore; readonly journal: Journal },
): Promise<void> {
  const staged = await journal.read(operation, DOCUMENT, stagedSchema);
  if (staged !== undefined) await removeStagedKeys(operation, staged.keys, store);
}

/** Removes what is staged under these keys, and what an upload of the operation has left that nobody ends. Safe to repeat. */
export async function removeStagedKeys(operation: string, keys: readonly string[], store: ObjectStore): Promise<void> {
  // First, so that an upload that still goes on can't be completed behind the removal.
  for await (const unfinished of store.unfinishedUploads(stagingPrefix(operation))) {
    // A directory tells of no keys, and stages nothing.
    if (unfinished.key !== undefined) await unfinished.discard();
  }
  for (const key of keys) await store.remove(key);
}

function intoUpload(upload: Upload): Writable {
  return new Writable({
    write(chunk: Buffer, _encoding, done) {
      upload.write(chunk).then(() => {
        done();
      }, done);
    },
  });
}
