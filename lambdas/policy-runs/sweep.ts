import { formatControlPlaneName, PLATFORMS, type ControlPlaneName } from '../domain/control-plane.ts';
import { RetentionLockedError } from '../domain/errors.ts';
import { isRecoveryPointId, recoveryPointsRoot, timeOfRecoveryPoint } from '../domain/recovery-point.ts';
import { describeLock } from '../domain/retention.ts';
import { isOwnFile } from '../recovery-points/own-files.ts';
import type { ObjectStore, UnfinishedUpload } from '../store/object-store.ts';

/** A take that may still be under way has written something since. */
const ABANDONED_MILLISECONDS = 24 * 3600 * 1000;

/** What a failed take has left behind, and what becomes of it. `later`: it may go, but this run has swept enough. */
export interface Leftover {
  readonly kind: 'orphan' | 'upload';
  /** The id under which it lies; the key of an upload, or what the store calls it. */
  readonly name: string;
  readonly action: 'sweep' | 'keep' | 'later';
  readonly reason: string;
  readonly swept: boolean;
}

/** What lies below the prefix of one recovery point. */
export interface PointFolder {
  readonly id: string;
  readonly files: readonly { readonly name: string; readonly modifiedAt: Date }[];
}

export interface SweepRequest {
  readonly controlPlane: ControlPlaneName;
  /** By no clock that is ahead of the store's own. */
  readonly now: Date;
  /** So many leftovers are swept at most. */
  readonly cap: number;
  /** Called before each: throws when the control plane is no longer locked. Nothing is swept without it. */
  readonly keepLock?: (() => Promise<void>) | undefined;
}

/** Why a folder without a manifest is not swept; undefined when it may go. With anything in it that is not ours it is nobody's to sweep. */
export function reasonToKeep({ id, files }: PointFolder, now: Date): string | undefined {
  const foreign = files.find(({ name }) => !isOwnFile(name));
  if (foreign !== undefined) return `it holds ${foreign.name}, which is not Lifeboat's`;
  if (files.some(({ name }) => name === 'pin.json')) return 'pinned';
  const newest = Math.max(timeOfRecoveryPoint(id).getTime(), ...files.map(({ modifiedAt }) => modifiedAt.getTime()));
  return isAbandoned(newest, now) ? undefined : 'written to in the last 24 hours';
}

/**
 * Sweeps what failed takes of a control plane have left behind for a day: data without a manifest, and unfinished uploads.
 * The caller holds the control plane's lock.
 */
export async function sweepLeftovers(request: SweepRequest, store: ObjectStore): Promise<Leftover[]> {
  const leftovers: Leftover[] = [];
  const isCapReached = () => leftovers.filter(({ action }) => action === 'sweep').length >= request.cap;
  for (const platform of PLATFORMS) {
    const root = `${recoveryPointsRoot(platform)}${formatControlPlaneName(request.controlPlane)}/`;
    for await (const folder of foldersBelow(root, store)) {
      if (folder.files.some(({ name }) => name === 'manifest.json')) continue;
      leftovers.push(await sweepFolder(root, folder, isCapReached(), request, store));
    }
    for await (const upload of store.unfinishedUploads(root)) {
      const name = nameOfUpload(root, upload);
      if (name === undefined || !isAbandoned(upload.activeAt.getTime(), request.now)) continue;
      const reason = `begun ${upload.activeAt.toISOString()} and never finished`;
      const action = isCapReached() ? 'later' : 'sweep';
      const swept = action === 'sweep' && request.keepLock !== undefined;
      if (swept) {
        await request.keepLock();
        await upload.discard();
      }
      leftovers.push({ kind: 'upload', name, action, reason, swept });
    }
  }
  return leftovers;
}

async function sweepFolder(
  root: string,
  folder: PointFolder,
  isCapReached: boolean,
  { now, keepLock }: SweepRequest,
  store: ObjectStore,
): Promise<Leftover> {
  const prefix = `${root}${folder.id}/`;
  const leftover = { kind: 'orphan', name: folder.id, swept: false } as const;
  const reason = 'no manifest for a day';
  const named = reasonToKeep(folder, now);
  if (named === undefined && isCapReached) return { ...leftover, action: 'later', reason };
  const kept = named ?? (await protection(prefix, folder, store));
  if (kept !== undefined) return { ...leftover, action: 'keep', reason: kept };
  if (keepLock === undefined) return { ...leftover, action: 'sweep', reason };
  await keepLock();
  try {
    for (const { name } of folder.files) await store.remove(`${prefix}${name}`);
  } catch (error) {
    if (!(error instanceof RetentionLockedError)) throw error;
    return { ...leftover, action: 'keep', reason: 'locked in the store' };
  }
  return { ...leftover, action: 'sweep', reason, swept: true };
}

/** What only the store knows, asked at last: it takes requests for every file. */
async function protection(prefix: string, { files }: PointFolder, store: ObjectStore): Promise<string | undefined> {
  const manifest = await store.history(`${prefix}manifest.json`);
  if (manifest.versions > 0)
    return 'its manifest was deleted by others and can be brought back: remove the delete marker';
  for (const { name } of files) {
    const { lock } = await store.history(`${prefix}${name}`);
    if (lock !== undefined) return describeLock(lock);
  }
  return undefined;
}

/** The folders of points below a control plane's prefix, one at a time; whatever else lies there is passed over. */
async function* foldersBelow(root: string, store: ObjectStore): AsyncGenerator<PointFolder> {
  let current: { id: string; files: { name: string; modifiedAt: Date }[] } | undefined;
  for await (const { key, modifiedAt } of store.list(root)) {
    const { id, name } = splitKey(root, key);
    if (name === '' || !isRecoveryPointId(id)) continue;
    if (current?.id !== id) {
      if (current !== undefined) yield current;
      current = { id, files: [] };
    }
    current.files.push({ name, modifiedAt });
  }
  if (current !== undefined) yield current;
}

/** undefined for an upload to a key that Lifeboat would not write to. */
function nameOfUpload(root: string, { key }: UnfinishedUpload): string | undefined {
  if (key === undefined) return 'an unfinished upload';
  const { id, name } = splitKey(root, key);
  return key.startsWith(root) && isRecoveryPointId(id) && isOwnFile(name) ? `${id}/${name}` : undefined;
}

function splitKey(root: string, key: string): { readonly id: string; readonly name: string } {
  const rest = key.slice(root.length);
  const slash = rest.indexOf('/');
  return slash < 0 ? { id: rest, name: '' } : { id: rest.slice(0, slash), name: rest.slice(slash + 1) };
}

/** False as well for a time that is none. */
function isAbandoned(milliseconds: number, now: Date): boolean {
  return now.getTime() - milliseconds > ABANDONED_MILLISECONDS;
}
